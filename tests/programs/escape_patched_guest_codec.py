# Patches the guest's encoder so that it sends objects and lies. The value must still be data, or the run an error.
ENDS = "ProtocolError"
import hypercell_guest.codec, hypercell_guest.runner
hypercell_guest.codec.encode = hypercell_guest.runner.encode = lambda *arguments: b"\xd9\xff\xff\x01"
1
