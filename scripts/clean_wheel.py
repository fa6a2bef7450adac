"""Replace this checkout's folder by `/pynenc-rs` in the bill of materials of each wheel in a folder.

maturin names the crates of the workspace there by their paths, which no flag of the compiler reaches.

Usage: clean_wheel.py FOLDER
"""

import base64
import csv
import hashlib
import io
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOWN = "/pynenc-rs"


def clean(wheel: Path, folder: str) -> int:
    """Rewrite the wheel without `folder` in its bills of materials, and its list of hashes; how many it had."""
    with zipfile.ZipFile(wheel) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    changed: dict[str, bytes] = {}
    for info, content in members:
        cleaned = (
            content.replace(f"{folder}/".encode(), f"{SHOWN}/".encode()) if "/sboms/" in info.filename else content
        )
        if cleaned != content:
            changed[info.filename] = cleaned
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, content in members:
            is_record = info.filename.endswith(".dist-info/RECORD")
            archive.writestr(info, _record(content, changed) if is_record else changed.get(info.filename, content))
    return len(changed)


def _record(content: bytes, changed: dict[str, bytes]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for name, hashed, size in csv.reader(io.StringIO(content.decode())):
        if name in changed:
            digest = base64.urlsafe_b64encode(hashlib.sha256(changed[name]).digest()).rstrip(b"=").decode()
            writer.writerow([name, f"sha256={digest}", len(changed[name])])
        else:
            writer.writerow([name, hashed, size])
    return out.getvalue().encode()


def main(folder: Path) -> int:
    """0 when all wheels are clean."""
    for wheel in folder.glob("*.whl"):
        clean(wheel, str(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
