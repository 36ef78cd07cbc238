"""`python -m app.services.indexer`, as versions before 0.2 call it: see `app.indexing.process`."""

from app.indexing.process import main

if __name__ == "__main__":
    main()
