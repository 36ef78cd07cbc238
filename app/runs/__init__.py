"""Reading runs, what people wrote about them, and the trash."""
