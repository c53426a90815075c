"""Runs in the guest when a sandbox starts: what hyperlight-sandbox 0.8.0 offers to submitted code.

`call_tool` raises RuntimeError, `http_get` and `http_post` return a dict. They stay as globals, as all names do there.
The host sets `tool_names` and `tool_prefix`.
"""


def bridge(native_call, native_error, names, prefix):
    """Returns `call_tool`, `http_get` and `http_post`."""

    def call_tool(tool_name, /, **kwargs):
        """Calls a tool of the host with keyword arguments."""
        if tool_name not in names:
            raise RuntimeError(f"Tool '{tool_name}' failed: unknown tool: {tool_name}")
        try:
            return native_call(prefix + tool_name, **kwargs)
        except native_error as error:
            raise RuntimeError(f"Tool '{tool_name}' failed: {error.type}: {error.message}") from None

    def http_get(url):
        """Makes a GET request and returns its status and body."""
        return request("GET", url, None, {})

    def http_post(url, body="", content_type="application/json"):
        """Makes a POST request and returns its status and body."""
        return request("POST", url, body or None, {"content-type": content_type} if content_type else {})

    def request(method, url, body, headers):
        from hypercell_guest import http

        response = http.request(method, url, data=body, headers=headers, redirects=0)
        return {"status": response.status, "body": response.body.decode("utf-8", "replace")}

    return call_tool, http_get, http_post


call_tool, http_get, http_post = bridge(call_tool, ToolError, set(tool_names), tool_prefix)
del bridge, tool_names, tool_prefix, __doc__
