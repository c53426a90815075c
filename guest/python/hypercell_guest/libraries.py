"""Adapts a few modules to the guest when they are imported.

Client libraries of HTTP get a socket of `wire` where they want one of the network, what wants a process says why there
is none, and threads give way where they ask in a loop whether another is done.

When one of these modules is imported, the few functions in it that do so are replaced. That is once, and where the
image has them warm it is while the image is built; a run that imports none of them pays nothing.

Before: `bootstrap`. After: `wire`, when a library is imported.
"""

import errno
import os
import posix
import sys
from _thread import _count
from time import sleep

from hypercell_guest import private_builtins as __builtins__  # noqa: F401

_NO_SOCKETS = "sockets cannot be opened here; requests of HTTP go where Sandbox(domains=...) allows"
_NO_PROCESSES = "processes cannot be started here; threads can, and a tool can run a program on the host"
_NO_PROXY = "proxies cannot be used here: the host makes requests itself"


def install():
    """Watches imports from now on, in place of what an earlier load of this package left (`start`)."""
    others = [finder for finder in sys.meta_path if type(finder).__module__ != __name__]
    if len(others) == len(sys.meta_path):
        for name in _ASKED.keys() & sys.modules.keys():
            _give_way(sys.modules[name])
    os.system = _system
    sys.meta_path[:] = [_Finder(), *others]


def _http_socket(*arguments, **options):
    # Looked up each time: what was patched stays so when this package is loaded again.
    from hypercell_guest.wire import HttpSocket

    return HttpSocket(*arguments, **options)


class _Finder:
    """Finds nothing itself, but has a patch follow the modules that it knows."""

    def find_spec(self, name, path=None, target=None):
        patch = _PATCHES.get(name)
        if patch is None:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        execute = getattr(spec.loader, "exec_module", None)
        if execute is not None:

            def exec_module(module):
                execute(module)
                patch(module)

            spec.loader.exec_module = exec_module
        return spec


def _http_client(module):
    plain = module.HTTPConnection

    def timeout_of(connection):
        import socket

        timeout = connection.timeout
        return socket.getdefaulttimeout() if timeout is socket._GLOBAL_DEFAULT_TIMEOUT else timeout

    def connect(self, is_tls):
        if self._tunnel_host:
            raise OSError(_NO_PROXY)
        timeout = timeout_of(self)
        self.sock = _http_socket(self.host, self.port, is_tls=is_tls, timeout=timeout, is_eager=True)

    def connect_plain(self):
        """Takes requests for the host to make."""
        connect(self, False)

    def connect_tls(self):
        """Takes requests for the host to make by https."""
        connect(self, True)

    def init(self, host, port=None, *_, context=None, **options):
        # A context would read certificates that nobody uses: the host verifies.
        for name in ("key_file", "cert_file", "check_hostname"):
            options.pop(name, None)
        plain.__init__(self, host, port, **options)
        self._context, self.key_file, self.cert_file = context, None, None

    plain.connect = connect_plain
    if hasattr(module, "HTTPSConnection"):
        module.HTTPSConnection.__init__, module.HTTPSConnection.connect = init, connect_tls


def _urllib3_connection(module):
    def new_socket(self, is_tls):
        if getattr(self, "_tunnel_host", None):
            raise OSError(_NO_PROXY)
        timeout = self.timeout if isinstance(self.timeout, (int, float)) else None
        return _http_socket(getattr(self, "_dns_host", self.host), self.port, is_tls=is_tls, timeout=timeout)

    def new_plain(self):
        return new_socket(self, False)

    def connect_tls(self):
        """Takes requests for the host to make by https."""
        self.sock = new_socket(self, True)
        self.is_verified, self.proxy_is_verified = True, None
        self._has_connected_to_proxy = False

    module.HTTPConnection._new_conn = new_plain
    module.HTTPSConnection.connect = connect_tls


def _urllib3_wait(module):
    """An idle connection that can be read from is one that urllib3 gives up."""
    wait = module.wait_for_read

    def wait_for_read(sock, timeout=None):
        # Not by its class, which is another when this package is loaded again.
        is_over = getattr(sock, "is_over", None)
        return wait(sock, timeout) if is_over is None else is_over

    module.wait_for_read = wait_for_read


def _httpcore(module):
    """Replaces the streams of both of httpcore's worlds. In the async one a request holds up the event loop."""

    class Stream(module.NetworkStream):
        def __init__(self, host, port):
            self._socket = _http_socket(host, port, is_tls=False)

        def read(self, max_bytes, timeout=None):
            self._socket.settimeout(timeout)
            return _as_httpcore(module, "Read", self._socket.recv, max_bytes)

        def write(self, buffer, timeout=None):
            _as_httpcore(module, "Write", self._socket.sendall, buffer)

        def close(self):
            self._socket.close()

        def start_tls(self, ssl_context, server_hostname=None, timeout=None):
            self._socket.is_tls = True
            return self

        def get_extra_info(self, info):
            return self._socket.is_over if info == "is_readable" else None

    class AsyncStream(module.AsyncNetworkStream):
        def __init__(self, host, port):
            self._stream = Stream(host, port)

        async def read(self, max_bytes, timeout=None):
            return self._stream.read(max_bytes, timeout)

        async def write(self, buffer, timeout=None):
            self._stream.write(buffer, timeout)

        async def aclose(self):
            self._stream.close()

        async def start_tls(self, ssl_context, server_hostname=None, timeout=None):
            self._stream.start_tls(ssl_context)
            return self

        def get_extra_info(self, info):
            return self._stream.get_extra_info(info)

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        return Stream(host, port)

    async def connect_tcp_async(self, host, port, timeout=None, local_address=None, socket_options=None):
        return AsyncStream(host, port)

    from httpcore._backends.auto import AutoBackend
    from httpcore._backends.sync import SyncBackend

    SyncBackend.connect_tcp = connect_tcp
    AutoBackend.connect_tcp = connect_tcp_async


def _socket(module):
    """Has what refuses a socket say what to do instead."""
    make = module.socket.__init__

    def init(self, *arguments, **options):
        try:
            make(self, *arguments, **options)
        except PermissionError as error:
            raise PermissionError(error.errno, _NO_SOCKETS) from None

    module.socket.__init__ = init


def _system(command):
    """Returns the exit status of a shell that cannot be started, and says on standard error why it cannot."""
    status = posix.system(command)
    if sys.stderr is not None:
        sys.stderr.write(f"os.system: {_NO_PROCESSES}\n")
    return status


def _subprocess(module):
    def execute_child(self, args, executable, *_, **__):
        """Starts no program."""
        raise PermissionError(errno.EPERM, _NO_PROCESSES)

    module.Popen._execute_child = execute_child


def _multiprocessing(module):
    def launch(self, process):
        """Starts no process."""
        raise PermissionError(errno.EPERM, _NO_PROCESSES)

    module.Popen._launch = launch


def _multiprocessing_util(module):
    def spawnv_passfds(path, args, passfds):
        """Starts no process, such as the one that would watch over shared memory."""
        raise PermissionError(errno.EPERM, _NO_PROCESSES)

    module.spawnv_passfds = spawnv_passfds


def _give_way(module):
    """Has methods that tell whether another thread is done let the others go first, if the answer is no.

    Nothing interrupts a thread that computes (docs/decisions/0015), so a loop that waits by asking would wait for ever.
    """
    for class_name, method_name, is_no in _ASKED[module.__name__]:
        owner = getattr(module, class_name)
        setattr(owner, method_name, _asking(getattr(owner, method_name), is_no))


def _asking(method, is_no):
    def ask(self):
        answer = method(self)
        if answer is not is_no or not _count():
            return answer
        sleep(0)
        return method(self)

    ask.__name__, ask.__qualname__, ask.__doc__ = method.__name__, method.__qualname__, method.__doc__
    ask.__module__ = method.__module__
    return ask


#: By module: class, method, and the answer that means that the other thread still has something to do.
_ASKED = {
    "threading": [("Event", "is_set", False), ("Thread", "is_alive", True)],
    "queue": [("Queue", "empty", True)],
    "concurrent.futures._base": [("Future", "done", False)],
}


def _as_httpcore(module, verb, function, argument):
    try:
        return function(argument)
    except TimeoutError as error:
        raise getattr(module, f"{verb}Timeout")(str(error)) from error
    except OSError as error:
        raise module.ConnectError(str(error)) from error


_PATCHES = {
    "socket": _socket,
    "http.client": _http_client,
    "urllib3.connection": _urllib3_connection,
    "urllib3.util.wait": _urllib3_wait,
    "httpcore": _httpcore,
    **dict.fromkeys(_ASKED, _give_way),
    "subprocess": _subprocess,
    "multiprocessing.util": _multiprocessing_util,
    "multiprocessing.popen_fork": _multiprocessing,
    "multiprocessing.popen_spawn_posix": _multiprocessing,
    "multiprocessing.popen_forkserver": _multiprocessing,
}
