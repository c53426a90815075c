# uuid: name-based identifiers, forms, parsing, and that random ones are of version 4.
import uuid

by_name = uuid.uuid5(uuid.NAMESPACE_DNS, "example.org")
print(by_name, uuid.uuid3(uuid.NAMESPACE_URL, "http://example.org/"), by_name.version, by_name.variant)
print(uuid.UUID("{12345678-1234-5678-1234-567812345678}").hex, uuid.UUID(int=5), uuid.UUID(bytes=bytes(16)).urn)
random_one = uuid.uuid4()
print(random_one.version, random_one != uuid.uuid4(), len(str(random_one)))
print(uuid.uuid1(node=1, clock_seq=2).version, uuid.uuid1(node=1, clock_seq=2).node)
try:
    uuid.UUID("not-a-uuid")
except ValueError as error:
    print(error)
[by_name, by_name.fields, uuid.UUID(str(by_name)) == by_name]
