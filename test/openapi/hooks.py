"""What the server asks for and JSON Schema cannot say, said in narrower words to schemathesis, so that
every request that it takes for valid is one."""

import schemathesis

# Name hosts alone: a literal address must be one that the server delivers to, and a last label of
# digits is one.
HOST = r"[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?(\.[a-z]([a-z0-9_-]{0,20}[a-z0-9])?){1,3}"
PATH = r"([/?]([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2}){0,50})?"


@schemathesis.hook
def map_body(context, body):
    """3.0 is an integer to JSON Schema, and not to the server."""
    if isinstance(body, dict):
        return {name: map_body(context, value) for name, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return int(body) if isinstance(body, float) and body.is_integer() else body


@schemathesis.hook
def before_load_schema(context, raw_schema):
    schemas = raw_schema["components"]["schemas"]
    schemas["EndpointUrl"]["pattern"] = f"^https?://{HOST}{PATH}$"
    # A tag needs a secret, here or in the webhook as it is.
    schemas["Tag"] = {"const": ""}
    post = raw_schema["paths"]["/event/{tenantLocator}/webhooks"]["post"]
    for example in post["requestBody"]["content"]["application/json"]["examples"].values():
        example["value"]["endpoint"].pop("tag", None)
    # Some names are not allowed, nor two that differ only in case; values and bytes are counted in
    # all.
    headers = schemas["HeadersIn"]
    headers["propertyNames"] = {"type": "string", "pattern": "^x-[a-z0-9-]{1,30}$"}
    headers["additionalProperties"]["items"] = {"type": "string", "pattern": "^[!-~]{0,100}$"}
    headers["additionalProperties"]["maxItems"] = 10
    headers["maxProperties"] = 5
    # Between its commas an event type has at most 128 characters.
    for parameter in raw_schema["paths"]["/event/{tenantLocator}/webhooks/list"]["get"]["parameters"]:
        if parameter.get("name") == "eventTypes":
            types = "[A-Za-z0-9_-]{1,9}([.][A-Za-z0-9_-]{1,9}){0,9}"
            parameter["schema"]["items"]["pattern"] = f"^({types})?(,({types})?)*$"
    # An update makes the alertEndpoint where there is none.
    schemas["UpdateAlertEndpointRequest"]["required"] = ["url"]
