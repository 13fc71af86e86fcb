from django.utils.safestring import SafeString, mark_safe


def svg(text: str) -> SafeString:
    """Return a QR code as an SVG element; empty if segno, a development package, is not installed."""
    try:
        import segno
    except ImportError:
        return SafeString()
    # Black on white in dark mode too: some cameras cannot read inverted codes.
    drawn = segno.make(text, micro=False).svg_inline(border=2, dark="#000", light="#fff", omitsize=True)
    return mark_safe(drawn)
