"""Files that a handler opens: which are copied, to where, and that the worker finds them with the project gone."""

from __future__ import annotations

import io
import json
import sqlite3
import wave
from pathlib import Path

import pytest

from rp_notebook.errors import ExportRefused
from rp_notebook.export.live import Live

HANDLER = "def handler(job):\n    x = job['input']['x']\n    return "
STORE = """\
class Store:
    def __init__(self):
        self.root = Path('store')
    def get(self, name):
        return (self.root / name).read_text()"""
VOCAB = "zero one two three"
CSV = "a,b\n1,2\n3,4\n"


def sqlite_bytes(folder) -> bytes:
    path = folder / "made.db"
    with sqlite3.connect(path) as database:
        database.execute("create table t (v int)")
        database.execute("insert into t values (7)")
    database.close()
    return path.read_bytes()


def wave_bytes() -> bytes:
    body = io.BytesIO()
    with wave.open(body, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\1" * 50)
    return body.getvalue()


# name, files, cells, the files that must be in the repository
FOUND = [
    ("open", {"v.txt": VOCAB}, ["words = open('v.txt').read().split()", HANDLER + "words[x]"], {"v.txt"}),
    (
        "with open, mode and encoding",
        {"labels.json": '["a", "b"]'},
        [
            "import json",
            "with open('labels.json', 'r', encoding='utf-8') as f:\n    labels = json.load(f)",
            HANDLER + "labels[x]",
        ],
        {"labels.json"},
    ),
    (
        "path of a folder and a name",
        {"data/v.txt": VOCAB, "data/unused.txt": "no"},
        [
            "from pathlib import Path",
            "ROOT = Path('data')",
            "words = (ROOT / 'v.txt').read_text().split()",
            HANDLER + "words[x]",
        ],
        {"data/v.txt"},
    ),
    (
        "os.path.join",
        {"data/deep/v.txt": VOCAB},
        [
            "import os",
            "D = 'data'",
            "p = os.path.join(D, 'deep', 'v.txt')",
            "words = open(p).read().split()",
            HANDLER + "words[x]",
        ],
        {"data/deep/v.txt"},
    ),
    (
        "f-string over names",
        {"data/v1.txt": VOCAB},
        ["BASE, N = 'data', 1", "words = open(f'{BASE}/v{N}.txt').read().split()", HANDLER + "words[x]"],
        {"data/v1.txt"},
    ),
    (
        "f-string over a job's input",
        {"data/0.txt": "zero", "data/1.txt": "one", "data/1.md": "no"},
        [HANDLER + "open(f'data/{x}.txt').read()"],
        {"data/0.txt", "data/1.txt"},
    ),
    (
        "a loop over names",
        {"a.json": "[1]", "b.json": "[2]"},
        [
            "import json",
            "all = []\nfor n in ['a', 'b']:\n    with open(n + '.json') as f:\n        all += json.load(f)",
            HANDLER + "all[x]",
        ],
        {"a.json", "b.json"},
    ),
    (
        "a table of names",
        {"w/a.txt": "A", "w/b.txt": "B"},
        [
            "FILES = {'one': 'w/a.txt', 'two': 'w/b.txt'}",
            "texts = {k: open(p).read() for k, p in FILES.items()}",
            HANDLER + "texts['two']",
        ],
        {"w/a.txt", "w/b.txt"},
    ),
    (
        "a helper's parameter",
        {"conf/a.json": '{"k": 3}'},
        [
            "import json",
            "def load(name):\n    with open(f'conf/{name}.json') as f:\n        return json.load(f)",
            "conf = load('a')",
            HANDLER + "conf['k']",
        ],
        {"conf/a.json"},
    ),
    (
        "a class with a root",
        {"store/v.txt": VOCAB},
        [
            "from pathlib import Path",
            STORE,
            "store = Store()",
            HANDLER + "store.get('v.txt')",
        ],
        {"store/v.txt"},
    ),
    (
        "numpy",
        {"npy": ""},
        ["import numpy as np", "w = np.load('w.npy')", HANDLER + "float(w[x])"],
        {"w.npy"},
    ),
    (
        "pandas",
        {"d.csv": CSV},
        ["import pandas as pd", "df = pd.read_csv('d.csv')", HANDLER + "int(df.b[x])"],
        {"d.csv"},
    ),
    (
        "an image",
        {"png": ""},
        ["from PIL import Image", "im = Image.open('i.png').convert('RGB')", HANDLER + "list(im.getpixel((0, 0)))"],
        {"i.png"},
    ),
    (
        "a sound",
        {"s.wav": wave_bytes()},
        ["import wave", "with wave.open('s.wav') as s:\n    frames = s.getnframes()", HANDLER + "frames"],
        {"s.wav"},
    ),
    (
        "a database",
        {"db": ""},
        ["import sqlite3", "db = sqlite3.connect('t.db')", HANDLER + "db.execute('select v from t').fetchone()[0]"],
        {"t.db"},
    ),
    (
        "a listed folder",
        {"texts/a.txt": "A", "texts/b.txt": "B", "texts/sub/c.txt": "C"},
        ["import os", HANDLER + "sorted(os.listdir('texts'))"],
        {"texts/a.txt", "texts/b.txt", "texts/sub/c.txt"},
    ),
    (
        "a glob",
        {"texts/a.txt": "A", "texts/b.txt": "B", "texts/c.md": "C"},
        [
            "from pathlib import Path",
            "all = sorted(p.read_text() for p in Path('texts').glob('*.txt'))",
            HANDLER + "all[x]",
        ],
        {"texts/a.txt", "texts/b.txt"},
    ),
    (
        "an absolute path",
        {"/v.txt": VOCAB},
        ["words = open('{other}/v.txt').read().split()", HANDLER + "words[x]"],
        {"assets/v.txt"},
    ),
    (
        "an absolute path that must stay a text",
        {"/v.txt": VOCAB},
        ["P = '{other}/v.txt'", "words = open(P.replace('//', '/')).read().split()", HANDLER + "[words[x], P[-5:]]"],
        {"assets/v.txt"},
    ),
    (
        "an absolute root",
        {"/d/a.txt": "A", "/d/sub/b.txt": "B"},
        [
            "from pathlib import Path",
            "ROOT = Path('{other}/d')",
            "a = (ROOT / 'a.txt').read_text()\nb = (ROOT / 'sub' / 'b.txt').read_text()",
            HANDLER + "[a, b]",
        ],
        {"assets/d/a.txt", "assets/d/sub/b.txt"},
    ),
    (
        "an absolute f-string",
        {"/d/a.txt": "A", "/d/b.txt": "B"},
        ["def get(n):\n    return open(f'{other}/d/{n}.txt').read()", HANDLER + "[get('a'), get('b')]"],
        {"assets/d/a.txt", "assets/d/b.txt"},
    ),
    (
        "a part of an absolute name",
        {"/d/v-a.txt": "A"},
        ["P = '{other}/d/v-'", HANDLER + "open(P + 'a' + '.txt').read()"],
        {"assets/d/v-a.txt"},
    ),
    (
        "the notebook's folder by its whole path",
        {"data/v.txt": VOCAB},
        ["words = open('{folder}/data/v.txt').read().split()", HANDLER + "words[x]"],
        {"data/v.txt"},
    ),
    (
        "a folder above the notebook",
        {"/v.txt": VOCAB},
        ["words = open('../elsewhere/v.txt').read().split()", HANDLER + "words[x]"],
        {"assets/v.txt"},
    ),
    (
        "two files of one name",
        {"/a/v.txt": "A", "/b/v.txt": "B"},
        ["a = open('{other}/a/v.txt').read()\nb = open('{other}/b/v.txt').read()", HANDLER + "[a, b]"],
        {"assets/v.txt", "assets/b/v.txt"},
    ),
    (
        "a name that the repository has",
        {"README.md": "mine", "requirements.txt": "also mine"},
        ["texts = [open('README.md').read(), open('requirements.txt').read()]", HANDLER + "texts[x]"],
        {"assets/README.md", "assets/requirements.txt"},
    ),
    (
        "os.chdir",
        {"data/v.txt": VOCAB},
        ["import os", "os.chdir('data')", "words = open('v.txt').read().split()", HANDLER + "words[x]"],
        {"data/v.txt"},
    ),
    (
        "os.chdir and back in one cell",
        {"data/v.txt": VOCAB},
        [
            (
                "import os\nold = os.getcwd()\ntry:\n    os.chdir('data')\n    words = open('v.txt').read().split()\n"
                "finally:\n    os.chdir(old)"
            ),
            HANDLER + "[words[x], open('data/v.txt').read()]",
        ],
        {"data/v.txt"},
    ),
    (
        "os.chdir and back in another cell",
        {"data/v.txt": VOCAB},
        [
            "import os\nold = os.getcwd()",
            "os.chdir('data')\nwords = open('v.txt').read().split()",
            "os.chdir(old)",
            HANDLER + "[words[x], open('data/v.txt').read()]",
        ],
        {"data/v.txt"},
    ),
    (
        "a context with another directory",
        {"data/v.txt": VOCAB},
        [
            (
                "import contextlib, os\n@contextlib.contextmanager\ndef cd(path):\n    old = os.getcwd()\n"
                "    os.chdir(path)\n    yield\n    os.chdir(old)"
            ),
            "with cd('data'):\n    words = open('v.txt').read().split()",
            HANDLER + "[words[x], open('data/v.txt').read()]",
        ],
        {"data/v.txt"},
    ),
    (
        "os.chdir by a whole path",
        {"data/v.txt": VOCAB},
        ["import os", "os.chdir('{folder}/data')", HANDLER + "open('v.txt').read()"],
        {"data/v.txt"},
    ),
    (
        "an odd name",
        {"my data/été $1 'x'.txt": VOCAB},
        ["words = open(\"my data/été $1 'x'.txt\").read().split()", HANDLER + "words[x]"],
        {"my data/été $1 'x'.txt"},
    ),
    (
        "bytes of every value",
        {"b.bin": bytes(range(256))},
        ["b = open('b.bin', 'rb').read()", HANDLER + "sum(b)"],
        {"b.bin"},
    ),
    (
        "a name of Path that is not pathlib's",
        {"/v.txt": VOCAB},
        [
            "class Path:\n    pass",
            "words = open('{other}/v.txt').read().split()",
            HANDLER + "[words[x], Path.__name__]",
        ],
        {"assets/v.txt"},
    ),
    (
        "a default of a parameter",
        {"/v.txt": VOCAB},
        ["def words(path='{other}/v.txt'):\n    return open(path).read().split()", HANDLER + "words()[x]"],
        {"assets/v.txt"},
    ),
    (
        "a choice",
        {"a.txt": "A", "b.txt": "B"},
        [
            "import os",
            "name = 'a.txt' if os.environ.get('NOT_SET') else 'b.txt'",
            "t = open(name).read()",
            HANDLER + "t",
        ],
        {"a.txt", "b.txt"},
    ),
    (
        "a percent format of an absolute path",
        {"/d/a.txt": "A"},
        ["def get(n):\n    return open('{other}/d/%s.txt' % n).read()", HANDLER + "get('a')"],
        {"assets/d/a.txt"},
    ),
    (
        "a format method of an absolute path",
        {"/d/a.txt": "A"},
        [
            "P = '{other}/d/{}.txt'",
            "def get(n):\n    return open(P.format(n)).read()",
            HANDLER + "[get('a'), open('{other}/d/{}.txt'.format('a')).read()]",
        ],
        {"assets/d/a.txt"},
    ),
    (
        "a default of a job's key",
        {"v.txt": VOCAB, "/w.txt": VOCAB},
        [
            "import os",
            (
                "def handler(job):\n    p = job['input'].get('path', 'v.txt')\n"
                "    q = os.environ.get('NOT_SET', '{other}/w.txt')\n    return [open(p).read(), open(q).read()]"
            ),
        ],
        {"v.txt", "assets/w.txt"},
    ),
    (
        "glob.glob",
        {"texts/a.txt": "A", "texts/b.txt": "B", "texts/c.md": "C"},
        ["import glob", "all = [open(p).read() for p in sorted(glob.glob('texts/*.txt'))]", HANDLER + "all[x]"],
        {"texts/a.txt", "texts/b.txt"},
    ),
    (
        "glob.glob elsewhere",
        {"/texts/a.txt": "A", "/texts/b.txt": "B", "/texts/c.md": "C"},
        ["import glob", "all = [open(p).read() for p in sorted(glob.glob('{other}/texts/*.txt'))]", HANDLER + "all[x]"],
        {"assets/texts/a.txt", "assets/texts/b.txt"},
    ),
    (
        "iterdir",
        {"texts/a.txt": "A", "texts/b.txt": "B"},
        ["from pathlib import Path", "D = Path('texts')", HANDLER + "sorted(p.name for p in D.iterdir())"],
        {"texts/a.txt", "texts/b.txt"},
    ),
    (
        "keyword and archive",
        {"n.txt": "1 2", "z.zip": b"PK\x05\x06" + bytes(18)},
        [
            "import numpy as np, zipfile",
            "n = np.loadtxt(fname='n.txt')",
            HANDLER + "[float(n[x]), zipfile.ZipFile('z.zip').namelist()]",
        ],
        {"n.txt", "z.zip"},
    ),
    (
        "a table with a path elsewhere",
        {"/v.txt": VOCAB},
        ["CONFIG = {'path': '{other}/v.txt', 'n': 1}", HANDLER + "open(CONFIG['path']).read().split()[x]"],
        {"assets/v.txt"},
    ),
    (
        "an object with a path elsewhere",
        {"/v.txt": VOCAB},
        [
            "from types import SimpleNamespace",
            "cfg = SimpleNamespace(path='{other}/v.txt')",
            HANDLER + "open(cfg.path).read().split()[x]",
        ],
        {"assets/v.txt"},
    ),
    (
        "a call of dict",
        {"/d/v.txt": VOCAB},
        [
            "import os",
            "args = dict(root='{other}/d', name='v.txt')",
            HANDLER + "open(os.path.join(args['root'], args['name'])).read()",
        ],
        {"assets/d/v.txt"},
    ),
    (
        "an item that was stored",
        {"/d/v.txt": VOCAB},
        ["import os\ncfg = {}", "cfg['root'] = '{other}/d'", HANDLER + "open(cfg['root'] + '/v.txt').read()"],
        {"assets/d/v.txt"},
    ),
    (
        "an object with a root",
        {"/d/v.txt": VOCAB},
        [
            "from types import SimpleNamespace",
            "cfg = SimpleNamespace(root='{other}/d')",
            HANDLER + "open(f'{cfg.root}/v.txt').read()",
        ],
        {"assets/d/v.txt"},
    ),
    (
        "a dataclass with a path",
        {"d/v.txt": VOCAB},
        [
            "from dataclasses import dataclass\nfrom pathlib import Path",
            "@dataclass\nclass C:\n    root: Path = Path('d')",
            "cfg = C()",
            HANDLER + "(cfg.root / 'v.txt').read_text().split()[x]",
        ],
        {"d/v.txt"},
    ),
    (
        "the opening method of a path elsewhere",
        {"/v.txt": VOCAB},
        [
            "from pathlib import Path",
            "with Path('{other}/v.txt').open() as f:\n    words = f.read().split()",
            HANDLER + "words[x]",
        ],
        {"assets/v.txt"},
    ),
    (
        "two folders with one name in them",
        {"a/v.txt": "A", "b/v.txt": "B"},
        [
            "import os",
            "ta = open(os.path.join('a', 'v.txt')).read()",
            "tb = open(os.path.join('b', 'v.txt')).read()",
            HANDLER + "[ta, tb]",
        ],
        {"a/v.txt", "b/v.txt"},
    ),
    (
        "a text over two lines",
        {"/v.txt": VOCAB},
        ["words = open('{other}'\n             '/v.txt').read().split()", "LAST = 3", HANDLER + "[words[x], LAST]"],
        {"assets/v.txt"},
    ),
]

NET = """\
import torch
net = torch.nn.Linear(2, 1)"""
# As FOUND, for files that a library writes; the modules are needed here.
LIBRARIES = [
    (
        "a state dict",
        ("torch",),
        "import torch\nnet = torch.nn.Linear(2, 1)\ntorch.save(net.state_dict(), 'w.pt')",
        [
            NET,
            "sd = torch.load('w.pt')",
            "sd",
            "msg = net.load_state_dict(sd)\nprint(msg)",
            "net.eval()",
            "out = net(torch.ones(2))",
        ],
        "net(torch.ones(2) * x).item()",
        {"w.pt"},
    ),
    (
        "a downloaded state dict",
        ("torch",),
        "import torch, os\nos.mkdir('w')\nnet = torch.nn.Linear(2, 1)\ntorch.save(net.state_dict(), 'w/w.pt')",
        [NET, "net.load_state_dict(torch.load(f'w/{\"w\"}.pt'))"],
        "net(torch.ones(2) * x).item()",
        {"w/w.pt"},
    ),
    (
        "safetensors",
        ("safetensors", "numpy"),
        "import numpy as np\nfrom safetensors.numpy import save_file\nsave_file({'w': np.ones(3)}, 'm.safetensors')",
        ["from safetensors.numpy import load_file", "w = load_file('m.safetensors')"],
        "float(w['w'][x])",
        {"m.safetensors"},
    ),
    (
        "joblib",
        ("joblib",),
        "import joblib\njoblib.dump({'a': 1}, '../elsewhere.joblib')",
        ["import joblib", "m = joblib.load('{folder}/../elsewhere.joblib')"],
        "m['a'] + x",
        {"assets/elsewhere.joblib"},
    ),
    (
        "an absolute table",
        ("pandas",),
        (
            "import pandas as pd, os\nos.makedirs('../elsewhere', exist_ok=True)\n"
            "pd.DataFrame({'a': [1, 2], 'b': [3, 4]}).to_csv('../elsewhere/data.csv')"
        ),
        ["import pandas as pd", "df = pd.read_csv('{other}/data.csv')", "lut = dict(zip(df.a, df.b))", "df.head()"],
        "int(lut[x + 1])",
        {"assets/data.csv"},
    ),
    (
        "a local model folder",
        ("json",),
        (
            "import os\nos.mkdir('tiny')\nfor n, t in {'config.json': '[1, 2]', 'w.bin': 'w'}.items():\n"
            "    open('tiny/' + n, 'w').write(t)"
        ),
        [
            "import json",
            (
                "class Model:\n    @classmethod\n    def from_pretrained(cls, where):\n        m = cls()\n"
                "        m.c = json.load(open(where + '/config.json'))\n        return m"
            ),
            "model = Model.from_pretrained('./tiny')",
        ],
        "model.c[x]",
        {"tiny/config.json", "tiny/w.bin"},
    ),
]


@pytest.mark.parametrize(
    ("modules", "make", "cells", "answer", "copied"), [row[1:] for row in LIBRARIES], ids=[row[0] for row in LIBRARIES]
)
def test_what_libraries_read_is_found_with_the_project_gone(project, modules, make, cells, answer, copied) -> None:
    for module in modules:
        pytest.importorskip(module)
    project.other.mkdir()
    project.here(make, "def handler(job): return 0", inputs=(0,))
    result = project.export(*cells, HANDLER + answer)
    assert copied <= set(result.repo)
    assert str(project.root) not in result.module
    here = project.here(*cells, HANDLER + answer, inputs=(0, 1))
    assert project.there(result, (0, 1)) == here


def lay_out(project, files) -> None:
    made = dict(files)
    if "npy" in made:
        np = pytest.importorskip("numpy")
        body = io.BytesIO()
        np.save(body, np.array([1.5, 2.5]))
        made = {"w.npy": body.getvalue()}
    elif "png" in made:
        image = pytest.importorskip("PIL.Image")
        body = io.BytesIO()
        image.new("RGB", (2, 2), (1, 2, 3)).save(body, "PNG")
        made = {"i.png": body.getvalue()}
    elif "db" in made:
        made = {"t.db": sqlite_bytes(project.root)}
    project.put(made)


@pytest.mark.parametrize(("files", "cells", "copied"), [row[1:] for row in FOUND], ids=[row[0] for row in FOUND])
def test_the_worker_finds_its_files_with_the_project_gone(project, files, cells, copied) -> None:
    lay_out(project, files)
    if any("pandas" in cell for cell in cells):
        pytest.importorskip("pandas")
    result = project.export(*cells)
    own = {"handler.py", "Dockerfile", ".dockerignore", ".env.example", "README.md", "requirements.txt"}
    own |= {".runpod/hub.json", ".github/workflows/ci.yml"}
    assert set(result.repo) - own - {"rp_manifest.json"} == copied
    assert str(project.root) not in "".join(body.decode("latin-1") for body in result.repo.values())
    said = json.loads(result.repo["rp_manifest.json"])
    assert copied <= set(said["files"])
    assert len(said["lines"]) == len(result.module.splitlines())
    here = project.here(*cells, inputs=(0, 1))
    assert project.there(result, (0, 1)) == here


HF = "hf_" + "aB3dE5gH7jK9mN1pQ3sT"
KEY = "-----BEGIN RSA PRIVATE KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu\n"

# name, files, the statement that opens one, the file that must stay
SECRET = [
    ("a .env", {".env": f"HF_TOKEN={HF}"}, "t = open('.env').read()", ".env"),
    ("a .env without a known shape", {".env": "MY_PASSWORD=correct horse"}, "t = open('.env').read()", ".env"),
    ("a pem", {"k/server.pem": "no shape"}, "t = open('k/server.pem').read()", "k/server.pem"),
    ("an ssh key", {"id_rsa": KEY}, "t = open('id_rsa').read()", "id_rsa"),
    ("a netrc elsewhere", {"/.netrc": "machine x login y"}, "t = open('{other}/.netrc').read()", ".netrc"),
    ("a token in a text", {"notes.txt": f"use {HF} please"}, "t = open('notes.txt').read()", "notes.txt"),
    ("a token among bytes", {"w.bin": b"\0\xff" + HF.encode() + b"\xff"}, "t = open('w.bin', 'rb').read()", "w.bin"),
    ("a token in UTF-16", {"w.txt": HF.encode("utf-16")}, "t = open('w.txt', encoding='utf-16').read()", "w.txt"),
    (
        "a service account",
        {"account.json": json.dumps({"private_key": KEY})},
        "import json\nt = json.load(open('account.json'))",
        "account.json",
    ),
    (
        "a password by its key",
        {"conf.json": json.dumps({"db": {"password": "Tr0ub4dor-and-3"}})},
        "import json\nt = json.load(open('conf.json'))",
        "conf.json",
    ),
    (
        "a password in a line of settings",
        {"conf.yaml": "url: https://a.b/c\ndb:\n  user: me\n  password: 'Tr0ub4dor-and-3'  # mine\n"},
        "t = open('conf.yaml').read()",
        "conf.yaml",
    ),
    (
        "a key in a section",
        {"conf.ini": "[a]\nmode = x:y\nclient_secret=Tr0ub4dor-and-3\n"},
        "t = open('conf.ini').read()",
        "conf.ini",
    ),
]


@pytest.mark.parametrize(("files", "opening", "name"), [row[1:] for row in SECRET], ids=[row[0] for row in SECRET])
def test_a_file_that_holds_a_secret_is_refused_by_its_name(project, files, opening, name) -> None:
    project.put(files)
    with pytest.raises(ExportRefused) as refusal:
        project.export(opening, HANDLER + "len(t)")
    (finding,) = refusal.value.findings
    assert (finding.code, finding.cell) == ("RPX231", 1)
    assert name in finding.message
    assert not any(secret in str(finding) for secret in (HF, "Tr0ub4dor", "MIIB", str(project.root)))


@pytest.mark.parametrize(("files", "opening", "name"), [row[1:] for row in SECRET], ids=[row[0] for row in SECRET])
def test_no_secret_is_in_an_export_that_may_do_without_the_file(project, files, opening, name) -> None:
    project.put(files)
    body = "\n    ".join(opening.splitlines())
    result = project.export(f"def handler(job):\n    {body}\n    return len(t)")
    assert "RPX231" in [finding.code for finding in result.findings]
    everything = b"".join(result.repo.values())
    assert not any(secret.encode() in everything for secret in (HF, "Tr0ub4dor", "MIIB", "correct horse", "login y"))


def test_of_a_folder_the_secret_files_stay(project) -> None:
    project.put({"conf/a.txt": "A", "conf/.env": f"X={HF}", "conf/id_ed25519": KEY, "conf/b.txt": f"key {HF}"})
    result = project.export("import os", HANDLER + "sorted(os.listdir('conf'))")
    assert [name for name in result.repo if name.startswith("conf/")] == ["conf/a.txt"]
    assert HF.encode() not in b"".join(result.repo.values())


def test_a_link_to_a_key_is_a_key(project) -> None:
    project.put({"/id_rsa": "no shape"})
    (project.folder / "data.txt").symlink_to(project.other / "id_rsa")
    with pytest.raises(ExportRefused):
        project.export("t = open('data.txt').read()", HANDLER + "t")


def test_a_login_below_the_home_is_never_read(project, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(project.root))
    (project.root / ".aws").mkdir()
    (project.root / ".aws/config").write_text("[default]")
    with pytest.raises(ExportRefused):
        project.export("import os", "t = open(os.path.expanduser('~/.aws/config')).read()", HANDLER + "t")


def test_a_path_below_the_home_is_written_as_one_beside_the_handler(project, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(project.root / "home of me"))
    (project.root / "home of me").mkdir()
    (project.root / "home of me/v.txt").write_text(VOCAB)
    texts = ("from pathlib import Path\nimport os", "a = open(os.path.expanduser('~/v.txt')).read()")
    more = ("b = (Path.home() / 'v.txt').read_text()", "c = Path('~/v.txt').expanduser().read_text()")
    result = project.export(*texts, *more, HANDLER + "[a == b == c, a.split()[x]]")
    assert "home of me" not in result.module
    assert project.there(result, (1,)) == [[True, "one"]]


LARGE = 101_000_000


def test_a_large_file_is_not_copied_and_the_advice_names_it(project) -> None:
    project.put({"w.bin": b""})
    with (project.folder / "w.bin").open("r+b") as file:
        file.truncate(LARGE)
    result = project.export("w = open('w.bin', 'rb').read()", HANDLER + "len(w)")
    (finding,) = [f for f in result.findings if f.code == "RPX232"]
    assert "w.bin (101 MB)" in finding.message
    assert "/runpod-volume" in finding.fix
    assert "w.bin" not in result.repo


def test_a_large_folder_of_weights_is_no_model_of_a_hub(project) -> None:
    project.put({"big/config.json": "{}", "big/model.safetensors": ""})
    with (project.folder / "big/model.safetensors").open("r+b") as file:
        file.truncate(LARGE)
    result = project.export(
        "from transformers import AutoModel\nname = 'big'\nm = AutoModel.from_pretrained(name)", HANDLER + "m"
    )
    codes = {finding.code for finding in result.findings}
    assert ("RPX232" in codes, "RPX251" in codes, "fetch_weights.py" in result.repo) == (True, False, False)
    assert b"HF_HUB_OFFLINE" not in result.repo["Dockerfile"]


def test_the_limit_is_for_all_files_together(project) -> None:
    project.put({"a.bin": b"", "b.bin": b""})
    for name in ("a.bin", "b.bin"):
        with (project.folder / name).open("r+b") as file:
            file.truncate(LARGE // 2 + 1_000_000)
    result = project.export("a = open('a.bin', 'rb').read()\nb = open('b.bin', 'rb').read()", HANDLER + "len(a + b)")
    assert {"a.bin", "b.bin"} & set(result.repo) == {"a.bin"}
    assert "RPX232" in [f.code for f in result.findings]


def test_a_folder_above_the_limit_is_one_finding(project) -> None:
    project.put({f"d/{n}.bin": b"" for n in range(3)})
    for n in range(3):
        with (project.folder / f"d/{n}.bin").open("r+b") as file:
            file.truncate(LARGE // 2)
    result = project.export("import os", HANDLER + "os.listdir('d')")
    (finding,) = [f for f in result.findings if f.code == "RPX232"]
    assert "d (3 files, 152 MB)" in finding.message
    assert not any(name.startswith("d/") for name in result.repo)


def test_files_of_one_name_in_two_working_directories_are_told_apart(project) -> None:
    project.put({"a/v.txt": "A", "b/v.txt": "B"})
    cells = ("%cd a", "ta = open('v.txt').read()", "%cd ../b", "tb = open('v.txt').read()", HANDLER + "[ta, tb]")
    assert project.there(project.export(*cells), (1,)) == [["A", "B"]]


def test_a_path_in_a_guarded_block_is_rewritten_too(project) -> None:
    project.put({"/v.txt": VOCAB})
    result = project.export(
        HANDLER + "x",
        "import runpod\nif __name__ == '__main__':\n    words = open('{other}/v.txt').read()\n    print(words)\n"
        "    runpod.serverless.start({'handler': handler})",
    )
    assert "assets/v.txt" in result.repo or "words" not in result.module
    assert str(project.root) not in result.module


MISSING = [
    "t = open('gone.txt').read()",
    "with open('gone.txt') as f:\n    t = f.read()",
    "from pathlib import Path\nt = Path('gone.txt').read_text()",
    "import numpy as np\nt = np.load('gone.txt')",
    "import json\nt = json.load(open('gone.txt'))",
    "NAME = 'gone'\nt = open(f'{NAME}.txt').read()",
]


@pytest.mark.parametrize("opening", MISSING)
def test_a_missing_file_that_the_start_needs_is_refused(project, opening) -> None:
    with pytest.raises(ExportRefused) as refusal:
        project.export(opening, HANDLER + "str(t)")
    (finding,) = refusal.value.findings
    assert (finding.code, "gone.txt" in finding.message) == ("RPX230", True)


@pytest.mark.parametrize(
    "cells",
    [
        ["import os", "t = open('no.txt').read() if os.path.exists('no.txt') else ''", HANDLER + "t"],
        ["try:\n    t = open('no.txt').read()\nexcept OSError:\n    t = ''", HANDLER + "t"],
        ["def handler(job):\n    return open('/etc/hostname').read()[:0]"],
        ["def handler(job):\n    return open(job['input']['x']).read() if job['input']['x'] is None else 1"],
        ["import tarfile", "t = tarfile.open('new.tgz', 'w:gz')", "def handler(job):\n    return t.name"],
        ["import shelve", "t = shelve.open('new')", "def handler(job):\n    return len(t)"],
        ["import pandas as pd", "t = pd.read_json('[{\"a\": 1}]')", "def handler(job):\n    return len(t)"],
        ["import pandas as pd", "t = pd.read_csv('https://d.example/a.csv')", "def handler(job):\n    return len(t)"],
        ["def handler(job):\n    open('out.txt', 'w').write('a')\n    return open('out.txt').read()"],
    ],
    ids=[
        "asked for",
        "caught",
        "of the system",
        "of the job",
        "made by opening",
        "made by a library",
        "no path",
        "an address",
        "written by the job",
    ],
)
def test_what_need_not_be_there_is_not_missed(project, cells) -> None:
    result = project.export(*cells)
    assert [f.code for f in result.findings if f.code.startswith("RPX23")] == []


def test_what_a_job_writes_is_not_copied(project) -> None:
    project.put({"out.wav": "old", "cache.csv": "old", "in.txt": "in"})
    result = project.export(
        "def handler(job):\n"
        "    text = open('in.txt').read()\n"
        "    with open('out.wav', 'wb') as f:\n        f.write(text.encode())\n"
        "    return open('out.wav').read()"
    )
    assert "in.txt" in result.repo
    assert "out.wav" not in result.repo


def test_a_word_that_is_also_a_file_is_no_path(project) -> None:
    project.put({"x": "no", "model": "no", "data/a.txt": "no"})
    result = project.export(HANDLER + "[x, 'model', job.get('data')]")
    assert not {"x", "model", "data/a.txt"} & set(result.repo)


def test_the_volume_of_a_pod_is_flagged(project, monkeypatch) -> None:
    # There is no /workspace here: what matters is how the path begins.
    monkeypatch.setattr("rp_notebook.export.assets.POD_VOLUME", str(project.other))
    project.put({"/v.txt": VOCAB})
    result = project.export("t = open('{other}/v.txt').read()", HANDLER + "t")
    assert "RPX233" in [f.code for f in result.findings]
    assert "assets/v.txt" in result.repo


def test_a_path_that_only_the_kernel_knows_is_resolved_by_it(project) -> None:
    project.put({"data/v.txt": VOCAB})
    cells = ("import os", "D = os.sep.join(['data'])", "words = open(os.path.join(D, 'v.txt')).read().split()")
    result = project.export(*cells, HANDLER + "words[x]", live=Live({"D": "data"}, {}))
    assert project.there(result, (2,)) == ["two"]


def test_a_path_of_this_machine_that_is_worked_out_is_named(project) -> None:
    project.put({"/v.txt": VOCAB})
    cells = ("import os", "D = os.sep.join(['', 'x'])", "words = open(os.path.join(D, 'v.txt')).read().split()")
    result = project.export(*cells, HANDLER + "words[x]", live=Live({"D": str(project.other)}, {}))
    assert "RPX237" in [f.code for f in result.findings]


def test_what_a_package_holds_comes_with_the_package(project) -> None:
    import packaging

    cells = ("import packaging\nfrom pathlib import Path", "HOME = Path(packaging.__file__).parent")
    live = Live({"HOME": Path(packaging.__file__).parent, "packaging": packaging}, {})
    result = project.export(*cells, "v = (HOME / '__init__.py').read_text()", HANDLER + "v", live=live)
    assert not [f.code for f in result.findings if f.code.startswith("RPX23")]
    assert not [name for name in result.repo if name.endswith("__init__.py")]


def test_a_folder_of_this_machine_that_stays_in_the_module_is_said(project) -> None:
    project.put({"/d/v.txt": VOCAB})
    result = project.export("FOLDERS = ['{other}/d']", HANDLER + "[folder[0] for folder in FOLDERS]")
    (finding,) = result.findings
    assert (finding.code, finding.cell) == ("RPX241", 1)
    assert str(project.root) not in finding.message


def test_the_same_files_give_the_same_bytes(project) -> None:
    project.put({"d/a.txt": "A", "d/b.txt": "B", "/c.txt": "C"})
    cells = (
        "import os",
        "c = open('{other}/c.txt').read()",
        HANDLER + "[open(f'd/{n}').read() for n in os.listdir('d')]",
    )
    assert dict(project.export(*cells).repo) == dict(project.export(*cells).repo)
