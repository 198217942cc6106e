"""Calls that read or write files, and files that no worker may carry; a reason beside each group."""

from __future__ import annotations

# A call of these, with a path that is not there, raises. By the last part of the name, where that says enough.
READERS = frozenset(
    {"read_text", "read_bytes", "read_csv", "read_table", "read_json", "read_parquet", "read_excel", "read_pickle"}
    | {
        "read_feather",
        "read_hdf",
        "read_fwf",
        "read_xml",
        "read_html",
        "read_orc",
        "read_stata",
        "read_sas",
        "scan_csv",
    }
    | {"loadtxt", "genfromtxt", "memmap", "fromfile", "load_file", "safe_open", "loadmat", "read_ipc"}
    | {"scan_parquet", "open_memmap", "load_npz", "mmread", "read_image", "decode_file"}
)
# The same for functions whose last name many things have: by the module that the name was imported from.
MODULE_READERS = frozenset(
    {"numpy.load", "torch.load", "torch.jit.load", "joblib.load", "PIL.Image.open", "wave.open", "soundfile.read"}
    | {"io.open", "codecs.open", "gzip.open", "bz2.open", "lzma.open", "zipfile.ZipFile", "tarfile.open", "h5py.File"}
    | {"onnxruntime.InferenceSession", "imageio.imread", "imageio.v2.imread", "imageio.v3.imread", "torchaudio.load"}
    | {
        "scipy.io.wavfile.read",
        "librosa.load",
        "tokenizers.Tokenizer.from_file",
        "sentencepiece.SentencePieceProcessor",
    }
    | {"pathlib.Path.read_text", "pathlib.Path.read_bytes", "linecache.getlines", "open", "builtins.open", "os.open"}
)
# These are given a folder, and read what is in it.
FOLDERS = frozenset(
    {"listdir", "walk", "scandir", "iterdir", "glob", "iglob", "rglob", "from_pretrained", "load_from_disk"}
    | {"load_dataset", "SentenceTransformer", "CrossEncoder", "pipeline", "ImageFolder", "DatasetFolder", "copytree"}
    | {"load_local", "PersistentClient", "FileSystemLoader", "load_model", "WhisperModel", "load_index_from_storage"}
    | {"load", "from_folder", "read_parquet", "StaticFiles", "StorageContext", "load_config"}
)
MATCHERS = frozenset({"glob", "iglob", "rglob"})  # their pattern is a path with wildcards
# What these are given they write, make or remove; a path that was written before it is read is not the user's data.
WRITERS = frozenset(
    {"write_text", "write_bytes", "imwrite", "savefig", "mkdir", "makedirs", "remove", "unlink", "rmtree", "rmdir"}
    | {"touch", "imsave", "urlretrieve", "NamedTemporaryFile", "export", "copyfile", "copy2", "move", "rename"}
    | {"writeframes", "FileHandler", "RotatingFileHandler", "SummaryWriter", "VideoWriter", "write_image", "write_wav"}
)
WRITER_PREFIXES = ("to_", "save", "write", "dump", "download")
SECOND_WRITERS = frozenset({"urlretrieve", "copyfile", "copy2", "copy", "move", "rename", "copytree", "savez"})
# Methods that look a text up by name: the text is a key, though a file may have that name.
LOOKUPS = frozenset(
    {"get", "pop", "setdefault", "getenv", "startswith", "endswith", "split", "replace", "strip", "join"}
)

# Every container has its own of these, or the platform mounts something over them.
SYSTEM = ("/proc", "/sys", "/dev", "/etc", "/run", "/bin", "/sbin", "/lib", "/lib64", "/usr/bin", "/usr/lib", "/boot")
WORKER_VOLUME = "/runpod-volume"  # where serverless mounts a network volume (facts/runpod-contract.md 6)
POD_VOLUME = "/workspace"  # where a Pod mounts it
# Names at the root of an image over which something is mounted, or that say nothing about a worker's own files.
MOUNTED = frozenset({"dev", "proc", "sys", "tmp", "run", "workspace", "runpod-volume"})

# Never carried, whatever is in them: files that hold keys by custom.
SECRET_NAMES = (
    *(".env", ".env.*", "*.env", ".netrc", "_netrc", ".pypirc", ".git-credentials", ".htpasswd", ".pgpass", ".my.cnf"),
    *("id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore"),
    *("*.ppk", "*.kdbx", "kaggle.json", "credentials", "credentials.json", "client_secret*.json", "stored_tokens"),
    *("application_default_credentials.json", "service_account*.json", "service-account*.json", ".boto", ".s3cfg"),
)
# Folders below the home of a user that hold logins.
SECRET_FOLDERS = (
    *(".ssh", ".aws", ".gnupg", ".kube", ".docker", ".azure", ".config/gcloud", ".config/gh", ".config/rclone"),
    *(".runpod", ".kaggle", ".huggingface", ".config/huggingface"),
)
SECRET_FILES = (".cache/huggingface/token", ".cache/huggingface/stored_tokens")
# What a copied folder leaves behind: nothing of it is read by name.
LEFT_BEHIND = frozenset({"__pycache__", ".git", ".hg", ".svn", ".ipynb_checkpoints", ".venv", "venv", "node_modules"})
