"""Files that hold a log in another form: compressed, in UTF-16, in a notebook, in a terminal recording.

| file | what it does |
|---|---|
| `open_contents` | opens a file as the bytes of its log, whatever it is in |
| `compressed` | gzip, bzip2, xz, zstd |
| `encodings` | UTF-16 and byte order marks |
| `json_logs` | notebooks, asciinema recordings, docker's json-file |
| `prefixed_lines` | time stamps, levels and labels before every line |
| `file_kinds` | what a file is that holds no log |

A container may come from anyone: what it expands to is limited, and a damaged one gives what can be read of it.
"""
