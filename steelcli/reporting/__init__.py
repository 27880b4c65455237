"""What people read: tables, charts, the page."""
