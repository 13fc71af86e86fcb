"""A save is live even where the kernel lost, or never sent, the event that tells of it."""

import os
import signal
from pathlib import Path

from .site import FILES


def test_a_folder_made_again_while_events_were_lost(fresh_site):
    site = fresh_site.start()
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    shop = {path.name: path.read_text() for path in (site.root / "shop").glob("*.py")}

    os.kill(site.process.pid, signal.SIGSTOP)
    for _ in range(queue // 2 + 100):
        (site.root / "blog/views.py").write_text(FILES["blog/views.py"])
        os.utime(site.root / "shop/views.py")
    for name in shop:
        (site.root / "shop" / name).unlink()
    (site.root / "shop").rename(site.root / "gone")
    for name, text in shop.items():
        site.write(f"shop/{name}", text)
    os.kill(site.process.pid, signal.SIGCONT)

    for number in range(1, 20):
        site.write("shop/views.py", FILES["shop/views.py"].replace('"shop"', f'"{number}"'))
        assert site.text("/shop/") == str(number)
