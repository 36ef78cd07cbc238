"""Files that trainers write beside their logs: results, event files, options."""
