"""The coordinator's database: its tables, declared once for SQLite and PostgreSQL, its transactions, its devices and its log."""
