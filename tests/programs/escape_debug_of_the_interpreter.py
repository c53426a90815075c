# Opens a way in for others: servers in the interpreter, and a thread that prints tracebacks, which ends with the VM.
EXPECTED = ["EACCES", "EACCES", "EACCES", "allowed"]
import faulthandler, sys, wsgiref.simple_server, xmlrpc.server, http.server
[
    attempt(wsgiref.simple_server.make_server, "127.0.0.1", 0, None),
    attempt(xmlrpc.server.SimpleXMLRPCServer, ("127.0.0.1", 0)),
    attempt(http.server.HTTPServer, ("127.0.0.1", 0), None),
    attempt(faulthandler.dump_traceback_later, 1),
]
