# Class bodies: name look-up, private names, nested classes, and code that runs in them.
x = "global"


def build():
    x = "function"

    class Body:
        seen = [x]
        x = "class"
        seen.append(x)

        def method(self):
            return x

        __private = "hidden"

        class Inner:
            outer_x = x

        for n in range(3):
            seen.append(n)
        del n

        def reveal(self):
            return self.__private

    return Body


Body = build()
body = Body()
print(Body.seen, body.method(), Body.Inner.outer_x, body.reveal(), hasattr(body, "__private"))
[name for name in vars(Body) if "private" in name or name == "n"] + [Body.Inner.__qualname__]
