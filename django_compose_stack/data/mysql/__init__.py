"""Backups, restores and the password of MySQL and MariaDB; data/ itself has those of Postgres."""
