# contextvars: tokens, contexts, copies, and what a generator sees.
import contextvars

user = contextvars.ContextVar("user", default="nobody")
token = user.set("ann")
context = contextvars.copy_context()


def change(name):
    user.set(name)
    return user.get()


print(user.get(), context.run(change, "bob"), user.get(), context[user], token.old_value is contextvars.Token.MISSING)
user.reset(token)
print(user.get(), len(contextvars.copy_context()) >= 0)
try:
    user.reset(token)
except RuntimeError as error:
    print(str(error).split("<")[-1].split(" ")[0][:5], "already" in str(error))
try:
    contextvars.ContextVar("empty").get()
except LookupError as error:
    print(type(error).__name__)
[context.run(user.get), user.name]
