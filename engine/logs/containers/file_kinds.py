"""What a file is that holds no log, by its first bytes, for the error that says so."""

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"PK\x03\x04", "a zip archive"),
    (0, b"PK\x05\x06", "an empty zip archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a rar archive"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"%PDF", "a PDF document"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\x7fELF", "a program or library"),
    (0, b"\x89HDF", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"ftrt", "a TensorRT engine"),
    (4, b"ftyp", "a video"),
    (0, b"<!DOCTYPE html", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"\x08\x03", "an ONNX model"),
    (0, b"\x80\x02", "a Python pickle"),
    (0, b"\x80\x03", "a Python pickle"),
    (0, b"\x80\x04", "a Python pickle"),
    (0, b"\x80\x05", "a Python pickle"),
)


def kind_of(head: bytes) -> str:
    """Return what a file is, as `a zip archive`; empty if its first bytes tell nothing."""
    if head.startswith(b"PK\x03\x04") and (b"data.pkl" in head or b".pkl" in head[:200]):
        return "a PyTorch checkpoint"
    for offset, signature, kind in _SIGNATURES:
        if head[offset : offset + len(signature)].lower() == signature.lower():
            return kind
    return ""
