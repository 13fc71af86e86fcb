"""What runs or shows in the browser: the script, the error page, and how the script gets into a page."""
