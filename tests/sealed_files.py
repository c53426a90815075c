"""Files of snapshots and images, taken apart and put together again with digests that are right."""

import hashlib
import io
import json
import tarfile


class Members(dict):
    """The members of the file of a snapshot or an image, by name, with what it takes to change them."""

    @classmethod
    def of(cls, path):
        with tarfile.open(path) as tar:
            return cls((member.name, tar.extractfile(member).read()) for member in tar)

    @property
    def manifest(self):
        return json.loads(self["manifest.json"])

    @property
    def vm(self):
        """Directory of the VM's files, with a slash."""
        return next(name for name in self if name.endswith("/index.json")).removesuffix("index.json")

    def blob(self, digest):
        return f"{self.vm}blobs/sha256/{digest.removeprefix('sha256:')}"

    def put(self, old_digest, data):
        """Replaces a blob and returns the new one's digest and size, as a descriptor has them."""
        del self[self.blob(old_digest)]
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        self[self.blob(digest)] = data
        return {"digest": digest, "size": len(data)}

    def change_vm(self, config=None, layer=None):
        """Changes the VM's configuration, or its memory (layer 0) or transport (layer 1), and all that names it."""
        index = json.loads(self[f"{self.vm}index.json"])
        digest = index["manifests"][0]["digest"]
        manifest = json.loads(self[self.blob(digest)])
        if config is not None:
            old = manifest["config"]["digest"]
            changed = json.dumps(config(json.loads(self[self.blob(old)]))).encode()
            manifest["config"].update(self.put(old, changed))
        if layer is not None:
            number, change = layer
            old = manifest["layers"][number]["digest"]
            changed = change(bytearray(self[self.blob(old)]))
            manifest["layers"][number].update(self.put(old, bytes(changed)))
        index["manifests"][0].update(self.put(digest, json.dumps(manifest).encode()))
        self[f"{self.vm}index.json"] = json.dumps(index).encode()

    def seal(self, seal=None):
        self["manifest.sha256"] = (seal or hashlib.sha256(self["manifest.json"]).hexdigest()).encode()

    def write(self, path, manifest=None, seal=None):
        """Writes a file whose digests are right, whatever is in it."""
        contents = self.manifest if manifest is None else manifest
        contents["files"] = [
            {"path": name, "len_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in self.items()
            if name.startswith(self.vm)
        ]
        self["manifest.json"] = json.dumps(contents).encode()
        self.seal(seal)
        return self.write_as_they_are(path)

    def write_as_they_are(self, path):
        """Writes a file in the order of its manifest."""
        names = [member["path"] for member in self.manifest["files"]]
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for name in ["manifest.sha256", "manifest.json", *names]:
                info = tarfile.TarInfo(name)
                info.size = len(self[name])
                tar.addfile(info, io.BytesIO(self[name]))
        return path
