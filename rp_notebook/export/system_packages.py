"""Debian packages that a worker needs: by the packages it imports, the commands it starts, the libraries it loads.

The tables are dated: 2026-11, for Debian 12 and Ubuntu 22.04 and 24.04, which answer to these names alike.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from rp_notebook.export.givings import imports_of, spelled_path
from rp_notebook.export.pin import Pin
from rp_notebook.export.trees import walk

DPKG = Path("/var/lib/dpkg/info")

# Distributions whose wheels leave something to the system.
_BY_DISTRIBUTION: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("opencv-python", "opencv-contrib-python"), ("libgl1", "libglib2.0-0")),
    **dict.fromkeys(("open3d", "pyrender", "vtk", "pyvista"), ("libgl1", "libegl1", "libgomp1", "libx11-6")),
    **dict.fromkeys(("mujoco", "pyglet", "moderngl", "glfw"), ("libgl1", "libegl1")),
    **dict.fromkeys(("pydub", "ffmpeg-python", "openai-whisper", "whisperx", "demucs", "torchcodec"), ("ffmpeg",)),
    **dict.fromkeys(("yt-dlp", "audiocraft", "stable-ts", "whisper-timestamped", "audio-separator"), ("ffmpeg",)),
    **dict.fromkeys(("phonemizer", "py-espeak-ng", "tts", "coqui-tts", "kokoro", "styletts2"), ("espeak-ng",)),
    **dict.fromkeys(("pytesseract", "tesserocr"), ("tesseract-ocr",)),
    **dict.fromkeys(("sounddevice", "pyaudio"), ("libportaudio2",)),
    **dict.fromkeys(("lightgbm", "fasttext"), ("libgomp1",)),
    **dict.fromkeys(("psycopg2", "psycopg"), ("libpq5",)),
    **dict.fromkeys(("gitpython", "pygit2"), ("git",)),
    **dict.fromkeys(("pyrubberband", "rubberband"), ("rubberband-cli",)),
    "pdf2image": ("poppler-utils",),
    "python-magic": ("libmagic1",),
    "pyzbar": ("libzbar0",),
    "cairosvg": ("libcairo2",),
    "weasyprint": ("libpango-1.0-0", "libpangoft2-1.0-0"),
    "wand": ("libmagickwand-6.q16-6",),
    "graphviz": ("graphviz",),
    "sox": ("sox", "libsox-fmt-all"),
    "pyopengl": ("libgl1",),
    "mysqlclient": ("libmariadb3",),
    "pypandoc": ("pandoc",),
    "ocrmypdf": ("ghostscript", "tesseract-ocr"),
    "camelot-py": ("ghostscript",),
    "triton": ("gcc", "libc6-dev"),  # compiles its launchers as it runs
    "manim": ("ffmpeg", "libcairo2", "libpango-1.0-0"),
}
_BY_COMMAND = {
    **dict.fromkeys(("ffmpeg", "ffprobe"), "ffmpeg"),
    **dict.fromkeys(("convert", "magick", "identify", "mogrify"), "imagemagick"),
    **dict.fromkeys(("pdftotext", "pdftoppm", "pdfinfo"), "poppler-utils"),
    **dict.fromkeys(("espeak", "espeak-ng"), "espeak-ng"),
    **dict.fromkeys(("sox", "soxi"), "sox"),
    **dict.fromkeys(("gcc", "cc", "g++", "make", "nvcc"), "build-essential"),
    **dict.fromkeys(("libreoffice", "soffice"), "libreoffice"),
    **dict.fromkeys(("gs", "ghostscript"), "ghostscript"),
    **{name: name for name in ("git", "git-lfs", "curl", "wget", "unzip", "zip", "pandoc", "jq", "xvfb", "lame")},
    "tesseract": "tesseract-ocr",
    "dot": "graphviz",
    "7z": "p7zip-full",
    "rsvg-convert": "librsvg2-bin",
    "aria2c": "aria2",
    "exiftool": "libimage-exiftool-perl",
}
_STARTS = frozenset(
    {"subprocess.run", "subprocess.Popen", "subprocess.call", "subprocess.check_call", "subprocess.check_output"}
    | {"os.system", "os.popen", "shutil.which", "asyncio.create_subprocess_exec", "asyncio.create_subprocess_shell"}
    | {"subprocess.getoutput", "subprocess.getstatusoutput", "pexpect.spawn", "sh.Command"}
)
_BY_LIBRARY = {
    "sndfile": "libsndfile1",
    "portaudio": "libportaudio2",
    "magic": "libmagic1",
    "GL": "libgl1",
    "EGL": "libegl1",
    "espeak-ng": "libespeak-ng1",
    "cairo": "libcairo2",
    "gomp": "libgomp1",
    "zbar": "libzbar0",
    "usb-1.0": "libusb-1.0-0",
    "fftw3": "libfftw3-double3",
    "opus": "libopus0",
    "mp3lame": "libmp3lame0",
    "vips": "libvips42",
    "heif": "libheif1",
}
_OPENS = (
    "ctypes.CDLL",
    "ctypes.cdll.LoadLibrary",
    "ctypes.util.find_library",
    "cffi.FFI.dlopen",
    "CDLL",
    "find_library",
)
# Every image has these, or its driver brings them.
_THERE = re.compile(
    r"libc6|libgcc-s1|libstdc\+\+6|zlib1g|libssl|libffi|libsqlite3|libbz2|liblzma|libreadline|libtinfo|libncurses|libuuid"
    r"|libexpat|libcrypt|libgdbm|libdb5|libnsl|libtirpc|libmpdec|python3|libpython|libselinux|libpcre|libblkid|libmount"
    r"|libzstd|libcap|libkeyutils|libkrb5|libgssapi|libk5crypto|libcom-err|libaudit|libsystemd|locales|gcc-1|libnss"
    r"|nvidia|libnvidia|cuda|libcuda|libcud|libcu|libnv|libnccl|libnpp|libzmq|libsodium|libpgm|libnorm|libbsd|libmd0"
)


def system_packages(texts: Iterable[str], pins: Iterable[Pin]) -> tuple[str, ...]:
    """The packages for modules of these texts and the distributions they are installed with, sorted."""
    found = {apt for pin in pins for apt in _BY_DISTRIBUTION.get(str(canonicalize_name(pin.name)), ())}
    for text in texts:
        try:
            tree = ast.parse(text)
        except SyntaxError:  # a finding elsewhere
            continue
        imports = imports_of(iter([tree]))
        for node in walk(tree):
            if isinstance(node, ast.Call):
                found |= {name for name in _of_call(node, imports) if name}
    return tuple(sorted(found))


def mapped_packages(files: Iterable[str], dpkg: Path = DPKG) -> tuple[str, ...]:
    """The packages of this system whose shared objects are among `files`; () where it has no dpkg.

    What every image has is left out; a name that Ubuntu changed for 64-bit time (`t64`) is given as before.
    """
    # /lib is a link to /usr/lib: a list may name either.
    wanted = {re.sub(r"^/usr", "", file) for file in files if re.match(r"(/usr)?/lib", file) and ".so" in file}
    found = set()
    for listing in sorted(dpkg.glob("lib*.list")) if wanted else ():
        name = listing.name.removesuffix(".list").partition(":")[0]
        if _THERE.match(name):
            continue
        if any(re.sub(r"^/usr", "", line) in wanted for line in listing.read_text("utf-8", "replace").splitlines()):
            found.add(name.removesuffix("t64"))
    return tuple(sorted(found))


def _of_call(call: ast.Call, imports: Mapping[str, str]) -> Iterator[str]:
    path = spelled_path(call.func, imports)
    if path.endswith("torch.compile") or path.startswith("torch.utils.cpp_extension"):
        yield "build-essential"
    if path in _STARTS and call.args:
        for command in _commands(call.args[0]):
            yield _BY_COMMAND.get(command.rpartition("/")[2], "")
    elif (
        path in _OPENS and call.args and isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    ):
        stem = re.sub(r"^lib|\.so.*$", "", call.args[0].value.rpartition("/")[2])
        yield _BY_LIBRARY.get(stem, "")


def _commands(node: ast.expr) -> Iterator[str]:
    """The commands in `["ffmpeg", ...]`, or in a line for a shell."""
    match node:
        case ast.List(elts=[first, *_]) | ast.Tuple(elts=[first, *_]):
            yield from _commands(first)
        case ast.Constant(value=str() as text):
            yield from (part.split()[0] for part in re.split(r"&&|\|\||[;|]", text) if part.split())
        case ast.JoinedStr(values=[ast.Constant(value=str() as text), *_]) if text.split():
            yield text.split()[0]
