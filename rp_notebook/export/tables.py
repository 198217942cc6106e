"""What the slicer knows about names of IPython and of libraries; a reason beside each group."""

from __future__ import annotations

import builtins
import sys

# Commands that IPython takes without a `%` when the line is not Python.
AUTOMAGICS = frozenset(
    {"pip", "pip3", "conda", "mamba", "micromamba", "uv", "cd", "ls", "ll", "cat", "cp", "mv", "mkdir", "rm", "rmdir"}
    | {"pwd", "env", "set_env", "load_ext", "reload_ext", "matplotlib", "config", "autoreload", "time", "timeit"}
    | {"run", "who", "whos", "reset", "store", "dotenv", "man", "more", "less", "apt", "apt-get", "wget", "git"}
)

# Cell magics whose body is an ordinary cell.
TRANSPARENT_CELLS = frozenset(
    {"time", "capture", "prun", "memit", "runpod_handler", "mprun", "lprun", "snakeviz", "heat", "scalene", "debug"}
)
# Cell magics that define no Python name.
HARMLESS_CELLS = frozenset(
    {"bash", "sh", "script", "cmd", "html", "HTML", "javascript", "js", "latex", "markdown", "svg", "SVG", "timeit"}
    | {"writefile", "file", "perl", "ruby", "system", "sx", "!", "runpod", "ai", "skip"}
)
# Line magics that define no Python name and need not run in a worker.
HARMLESS_LINES = frozenset(
    {"pip", "conda", "mamba", "micromamba", "uv", "load_ext", "reload_ext", "unload_ext", "autoreload", "matplotlib"}
    | {"config", "precision", "xmode", "who", "whos", "who_ls", "pinfo", "pinfo2", "psearch", "html", "timeit", "cd"}
    | {"runpod", "history", "lsmagic", "magic", "quickref", "pwd", "ls", "ll", "cat", "pycat", "alias", "bookmark"}
    | {"dirs", "pushd", "popd", "dhist", "debug", "pdb", "pdoc", "pdef", "psource", "pfile", "colors", "logstart"}
    | {"env", "set_env", "dotenv", "tensorboard", "gui", "mkdir", "rm", "rmdir", "cp", "mv", "man", "more", "less"}
    | {"apt", "apt-get", "wget", "git", "pip3", "save", "system", "sx", "watermark", "memit", "prun", "cpaste"}
    | {"reset", "reset_selective", "xdel", "automagic", "notebook", "page", "pprint", "recall", "rerun", "env"}
)

# Only IPython gives these a meaning.
IPYTHON_NAMES = frozenset({"get_ipython", "display", "In", "Out", "exit", "quit"})
IPYTHON_MODULES = frozenset({"IPython", "ipywidgets", "google.colab", "ipykernel"})
OUR_MODULE = "rp_notebook"

IPYTHON_BUILTINS = frozenset({"get_ipython", "display", "__IPYTHON__"})  # in a kernel they are among Python's own
BUILTINS = (frozenset(dir(builtins)) - IPYTHON_BUILTINS) | {
    *("__file__", "__name__", "__doc__", "__builtins__", "__spec__", "__annotations__")
}
STDLIB = frozenset(sys.stdlib_module_names)

# A method of one of these names changes its own list, dict or set and nothing inside it.
SHALLOW_MUTATORS = frozenset(
    {"append", "extend", "insert", "update", "add", "pop", "popitem", "setdefault", "remove", "discard", "clear"}
    | {"sort", "reverse", "appendleft", "extendleft", "popleft", "rotate", "push", "put", "put_nowait", "subtract"}
    | {"difference_update", "intersection_update", "symmetric_difference_update", "move_to_end", "__setitem__"}
)
# Methods that change their receiver in the libraries that notebooks use.
MUTATORS = SHALLOW_MUTATORS | frozenset(
    {"fill", "eval", "train", "requires_grad", "requires_grad_", "zero_grad", "step", "backward", "fit"}
    | {"fit_transform", "partial_fit", "share_memory", "freeze", "unfreeze", "tie_weights", "resize_token_embeddings"}
    | {"seed", "shuffle"}
    | {"gradient_checkpointing_enable", "fuse", "unfuse", "warmup", "warm_up", "initialize", "setup", "configure"}
    | {"delete_adapter", "read", "readline", "readlines", "write", "writelines", "seek", "__next__", "send", "throw"}
    | {"feed", "create_index", "execute", "executemany", "commit", "learn", "extend_vocab", "adapt", "build", "half"}
    | {"enter_context", "enter_async_context", "callback", "push_async_callback"}
    | {"bfloat16", "cuda", "to", "writerow", "writerows", "writeheader", "writestr"}
)
# Methods that keep code that they are given, to call it later.
KEEPING = MUTATORS | frozenset({"connect", "on", "once", "subscribe", "listen", "attach", "observe", "bind", "enter"})
KEEPING_PREFIXES = ("register", "add", "set_", "on_")
# What these answer is new.
READERS = frozenset({"read", "readline", "readlines", "write", "writelines", "seek"})
# These change their receiver when nothing is done with the answer; else they give a new value.
BARE_MUTATORS = frozenset(
    {"apply", "merge", "set", "compile", "float", "double", "cpu", "prepare", "init", "quantize", "connect", "open"}
    | {"close", "start", "stop", "patch", "delete", "from_dict", "from_json", "tune", "optimize", "train_from_iterator"}
)
MUTATOR_PREFIXES = (
    *("set_", "add_", "load_", "enable_", "disable_", "register_", "register", "remove_", "reset_", "update_", "fuse_"),
    *("unfuse_", "merge_", "init_", "initialize_", "attach_", "detach_", "insert_", "delete_", "clear_", "append_"),
    *("freeze_", "unfreeze_", "unload_", "use_", "convert_to_", "prepare_", "apply_", "setup_", "configure_", "warm"),
)
# These begin like a mutator but only look, or make something new.
NOT_MUTATORS = frozenset({"apply_chat_template", "load_from_checkpoint", "set_index", "set_axis", "add_prefix"}) | {
    *("add_suffix", "load_dataset", "use_cache", "to_dict", "set_title", "set_xlabel", "set_ylabel", "reset_index"),
    "load_image",
}
# A bare call of these only looks at its receiver.
PURE_METHODS = frozenset(
    {"head", "tail", "describe", "info", "get", "keys", "values", "items", "mean", "sum", "std", "var", "min", "max"}
    | {
        "predict",
        "predict_proba",
        "encode",
        "decode",
        "generate",
        "plot",
        "hist",
        "show",
        "state_dict",
        "save",
        "count",
    }
    | {"copy", "shape", "size", "tolist", "numpy", "item", "sample", "unique", "value_counts", "nunique", "summary"}
    | {"parameters", "named_parameters", "children", "modules", "named_modules", "tokenize", "batch_decode", "score"}
    | {"transform", "groupby", "sort_values", "drop", "dropna", "fillna", "rename", "astype", "reset_index", "merge"}
    | {"join", "split", "strip", "lower", "upper", "replace", "format", "startswith", "endswith", "exists", "is_file"}
    | {"memory_allocated", "print_trainable_parameters", "num_parameters", "push_to_hub", "save_pretrained", "imshow"}
    | {"search", "query", "forward", "detach", "isnull", "isna", "corr", "pivot_table", "set_index", "render", "launch"}
    | {"argmax", "argmin", "argsort", "flatten", "dim", "numel", "element_size", "nbytes", "read_text", "is_available"}
    | {"union", "intersection", "difference", "issubset", "isdisjoint", "transcribe", "embed", "to_dict", "to_json"}
    | {"to_csv", "to_parquet", "to_pickle", "to_string", "to_markdown", "detect", "segment", "chat", "complete"}
    | {"capitalize", "casefold", "center", "index", "ljust", "lstrip", "partition", "rfind", "rjust", "rsplit"}
    | {"rstrip", "splitlines", "title", "translate", "zfill", "removeprefix", "removesuffix", "most_common", "elements"}
    | {"qsize", "empty", "full", "locked", "is_set", "is_alive", "done", "result", "fileno", "getvalue", "tell"}
    | {"hexdigest", "digest", "isoformat", "strftime", "timestamp", "group", "groups", "span", "match", "fullmatch"}
    | {"finditer", "as_posix", "relative_to", "with_suffix", "iterdir", "nlargest", "nsmallest", "quantile"}
)
PURE_PREFIXES = ("get_", "is_", "has_", "plot_", "show_", "print_", "predict_", "save_", "list_", "count_", "visualize")

# Modules that only show things, or only look at the process: a call of theirs changes nothing that a worker needs.
DISPLAY_MODULES = frozenset(
    {"matplotlib", "seaborn", "plotly", "bokeh", "altair", "IPython", "ipywidgets", "tqdm", "pprint", "rich", "logging"}
    | {"warnings", "gc", "time", "plotlib", "pylab", "gradio", "streamlit", "wandb", "tensorboard", "mlflow", "timeit"}
    | {"torchinfo", "torchsummary", "psutil", "GPUtil", "pynvml", "tabulate", "cProfile", "pdb", "ipdb", "unittest"}
    | {"pytest", "traceback", "display", "glob", "shutil", "subprocess", "platform", "inspect", "dis", "rp_notebook"}
)
# Modules whose functions make new values; those that do write into an argument are in FUNCTION_MUTATORS.
PURE_MODULES = frozenset(
    {"numpy", "math", "cmath", "json", "re", "os", "sys", "itertools", "functools", "operator", "string", "textwrap"}
    | {"statistics", "fractions", "decimal", "datetime", "hashlib", "base64", "struct", "uuid", "copy", "pathlib"}
    | {"typing", "dataclasses", "enum", "collections", "pandas", "scipy", "requests", "httpx", "csv", "io", "random"}
    | {"ast", "types", "contextlib", "tempfile", "urllib", "secrets", "pickle", "zlib", "gzip", "importlib"}
)
# Functions that write into an argument although their module is a pure one.
FUNCTION_MUTATORS = frozenset(
    {"fill_diagonal", "copyto", "put", "place", "putmask", "put_along_axis", "shuffle", "heapify"}
    | {"heappush", "heappop", "insort", "insort_left", "insort_right", "setattr", "delattr", "next"}
    | {"heapreplace", "heappushpop", "setitem", "delitem", "iadd", "iconcat", "ior", "add_module"}
    | {"memset", "memmove", "SubElement"}
    | {"at"}  # np.add.at(counts, which, 1)
)
PURE_BUILTINS = frozenset(
    {"print", "len", "sorted", "sum", "min", "max", "abs", "repr", "str", "int", "float", "bool", "type", "isinstance"}
    | {"issubclass", "hasattr", "callable", "id", "hash", "ascii", "format", "round", "divmod", "pow", "range", "dir"}
    | {"help", "list", "dict", "set", "tuple", "frozenset", "bytes", "bytearray", "any", "all", "chr", "ord", "bin"}
    | {"hex", "oct", "slice", "zip", "map", "filter", "enumerate", "reversed", "iter", "getattr", "vars", "complex"}
    | {"open", "input", "display", "globals", "locals", "object", "super", "staticmethod", "classmethod", "property"}
)
SCALAR_BUILTINS = frozenset(
    {"len", "abs", "repr", "str", "int", "float", "bool", "isinstance", "issubclass", "hasattr"}
    | {"callable", "id", "hash", "ascii", "format", "round", "chr", "ord", "bin", "hex", "oct", "any"}
    | {"all", "print", "sum", "divmod", "pow"}
)
# Builtins and library functions that copy a container but share what is in it.
COPIES = frozenset({"list", "dict", "set", "tuple", "frozenset", "sorted", "copy", "deque", "reversed"}) | {
    *("choices", "sample", "OrderedDict", "defaultdict", "UserDict", "UserList", "SimpleNamespace", "replace"),
    *("nlargest", "nsmallest", "product", "permutations", "combinations", "pairwise", "compress", "filterfalse"),
}
# Functions that answer with one of the things in what they are given.
PICKS = frozenset({"max", "min", "choice", "reduce", "getitem", "heappop", "heapreplace", "heappushpop", "SubElement"})
ITERATORS = frozenset({"iter", "open", "zip", "map", "filter", "enumerate", "reversed"})
ITERATOR_MAKERS = (
    *("itertools.", "csv.reader", "csv.DictReader", "re.finditer", "os.scandir", "glob.iglob", "io.StringIO"),
    *("io.BytesIO", "tempfile.TemporaryFile", "tempfile.SpooledTemporaryFile", "gzip.open", "codecs.open"),
)
ITERATOR_METHODS = frozenset({"finditer", "iterdir", "rglob", "iterrows", "itertuples", "scanner"})
# Methods whose answer is a part or a view of their receiver.
VIEWS = frozenset(
    {"get", "setdefault", "pop", "popitem", "parameters", "named_parameters", "children", "modules", "view", "ravel"}
    | {"reshape", "values", "items", "state_dict", "get_input_embeddings", "get_output_embeddings", "T", "transpose"}
    | {"squeeze", "unsqueeze", "detach", "get_submodule", "named_modules", "numpy", "copy", "popleft", "register"}
    | {"find", "findall", "iterfind", "getroot", "select", "select_one"}
    | {"cursor", "getbuffer", "begin", "load", "session", "buffers", "named_buffers", "named_children"}
)
# Methods of a logger that write to where its handlers do.
LOGGING = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
# What looks at the memory of an array.
ARRAY_VIEWS = frozenset(
    {"view", "ravel", "reshape", "T", "mT", "H", "transpose", "squeeze", "unsqueeze", "detach", "numpy", "swapaxes"}
    | {"diagonal", "expand", "expand_as", "permute", "view_as", "data", "real", "imag", "flat", "narrow", "unfold"}
    | {"t", "chunk", "unbind", "movedim", "swapdims", "view_as_real"}
)
# Functions that wrap or share what they are given.
WRAPPERS = frozenset(
    {"compile", "get_peft_model", "partial", "asarray", "from_numpy", "as_tensor", "prepare", "wrap", "DataParallel"}
    | {"frombuffer", "atleast_1d", "atleast_2d", "ravel", "reshape", "pipeline", "cycle", "chain", "iter", "wraps"}
    | {"ChainMap", "MappingProxyType", "memoryview", "closing", "nullcontext", "reader", "DictReader", "writer", "tee"}
    | {"nditer", "transpose", "squeeze", "swapaxes", "expand_dims", "broadcast_to", "as_strided", "moveaxis", "flip"}
    | {"fliplr", "flipud", "rot90", "diagonal", "split", "array_split", "hsplit", "vsplit", "real", "imag", "rollaxis"}
    | {"asanyarray", "ascontiguousarray", "broadcast_arrays", "TextIOWrapper", "BufferedReader", "LoggerAdapter"}
    | {"islice", "accumulate", "starmap", "takewhile", "dropwhile", "zip_longest", "groupby", "DictWriter", "proxy"}
)

PATCHERS = ("unittest.mock.patch", "mock.patch")  # they name, or are given, what they are to replace
# Makers of objects that each method changes, whatever is done with its answer.
STATEFUL = frozenset({"contextvars.ContextVar", "threading.Event", "threading.Lock", "threading.Semaphore"})
STACKS = frozenset({"contextlib.ExitStack", "contextlib.AsyncExitStack"})  # they run what they were given
QUEUE_MODULES = ("queue", "multiprocessing", "asyncio")  # where they are, `get()` takes something out

# Functions of a module that set something of the process.
MODULE_SETTERS = frozenset(
    {"manual_seed", "seed", "set_seed", "seed_everything", "basicConfig", "inference_mode", "install", "patch"}
    | {"filterwarnings", "simplefilter", "setrecursionlimit", "set_start_method", "setlocale", "monkey_patch", "init"}
)
SETTER_PREFIXES = ("set_", "enable_", "disable_", "register", "use_", "add_", "patch_", "allow_", "configure")
# Functions of numpy that read one array, or two: where one more is given, they write there.
READ_ONE = frozenset({"sqrt", "exp", "log", "negative", "abs", "absolute", "square", "sign", "floor", "ceil"})
READ_TWO = frozenset({"add", "subtract", "multiply", "divide", "maximum", "minimum", "power", "matmul", "dot", "mod"})
# What `tqdm.pandas()` gives tables, behind `progress_`.
TQDM_METHODS = ("apply", "map", "applymap", "aggregate", "transform")
# Settings that only concern what is shown.
SHOWN_ONLY = frozenset(
    {"set_option", "reset_option", "set_printoptions", "display", "set_theme", "set_style", "options", "set_verbosity"}
)
# Methods and functions whose answer is what is shown.
TEXTS = ("to_string(", "to_html(", "to_markdown(", "to_latex(", "array2string(", "array_str(", "array_repr(")
SEEDS = frozenset({"manual_seed", "seed", "set_seed", "seed_everything", "manual_seed_all"}) | {
    *("setstate", "set_state", "set_rng_state"),
}
RNG_MODULES = frozenset({"random", "numpy", "torch", "tensorflow", "transformers", "jax"})
DRAWS = frozenset(
    {"rand", "randn", "randint", "random", "randrange", "randperm", "normal", "uniform", "choice", "choices", "shuffle"}
    | {"sample", "permutation", "standard_normal", "binomial", "poisson", "beta", "gamma", "exponential", "gauss"}
    | {"random_sample", "integers", "multinomial", "bernoulli", "rand_like", "randn_like", "randint_like", "ranf"}
    | {"getstate", "get_state", "get_rng_state"}  # what they give depends on all that was drawn
    | {"betavariate", "triangular", "normalvariate", "getrandbits", "randbytes"}
)

GENERATORS = frozenset({"generator", "rng", "random_state"})  # arguments that random numbers are drawn from

# Environment variables that a library reads on its own, by how they begin.
RUNTIME_ENV = (
    *("HF_", "TRANSFORMERS_", "TORCH", "PYTORCH_", "CUDA_", "TOKENIZERS_", "OMP_", "NCCL_", "VLLM_", "MKL_", "TF_"),
    *("DIFFUSERS_", "XFORMERS_", "BITSANDBYTES_", "JAX_", "XLA_", "NUMBA_", "OPENBLAS_", "ACCELERATE_", "RUNPOD_"),
    *("NVIDIA_", "KMP_", "PYTHON", "ONNX", "COQUI_", "SENTENCE_TRANSFORMERS_", "XDG_", "U2NET_"),
)
# Imports that are there for what they do, though no name of theirs is used.
EFFECT_IMPORTS = (
    *("sklearn.experimental", "tensorflow_text", "pillow_heif", "intel_extension_for_pytorch", "unsloth", "torch_npu"),
    *("spaces", "hf_transfer", "readline", "rlcompleter", "av", "pillow_avif", "mpl_toolkits.mplot3d"),
)

# Calls that load a model; in a handler they cost seconds a job.
LOADERS = frozenset(
    {"from_pretrained", "load_model", "load_checkpoint", "from_single_file", "load_state_dict", "SentenceTransformer"}
    | {"CrossEncoder", "WhisperModel", "YOLO", "pipeline", "LLM", "Llama", "create_model", "load_learner"}
)
# Calls that train; in a module they would run at each cold start.
TRAINERS = frozenset({"fit", "train", "backward", "partial_fit", "fit_transform", "learn", "finetune", "train_model"})
