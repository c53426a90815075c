# tomllib: the TOML types and an error with its position.
# requires: 3.11
import tomllib

text = """
title = "example"
when = 1979-05-27T07:32:00-08:00
day = 1979-05-27
[owner]
tags = ["a", 'b', ]
ratio = 6.02e23
[[fruit]]
name = "apple"
[[fruit]]
name = "pear"
inline = { x = 1, y = [1, 2] }
"""
data = tomllib.loads(text)
try:
    tomllib.loads("a = \n")
except tomllib.TOMLDecodeError as error:
    print(error)
print(data)
data
