"""A strict stand-in for AWS, on one port of this machine.

It answers as Bedrock, STS, IAM Identity Center, an ECS task's credential endpoint and an EC2
instance's metadata service (version 2 alone). A signed request is checked with botocore: the
signature is computed again over the method, the path, the query, the headers and the body as
they arrived, and whatever AWS would refuse is refused in AWS's own form.

Standard output: one line with the port as JSON. Then it serves until standard input ends.
Everything under /_fake/ is the test's, not AWS's:

  POST /_fake/keys    {"access_key_id", "secret_access_key", "session_token"?}   long-lived keys
  POST /_fake/bearer  {"token"}                                   a Bedrock API key
  POST /_fake/role    {"arn", "external_id"?, "web_identity_token"?, "trusted"?: [key ids]}
  POST /_fake/sso     {"token", "account_id", "role_name"}
  POST /_fake/container {"token"?}                                what the endpoint wants to be shown
  POST /_fake/issue   {"life"?: seconds, "delay"?: seconds}       how keys are given out
  POST /_fake/fail    {"what": "sts"|"sso"|"imds"|"container", "status": number or 0 to heal}
  POST /_fake/answer  {"method"?, "path", "status"?, "headers"?, "pieces": [base64], "times"?}
                      what Bedrock answers at paths that fully match the regular expression `path`;
                      the newest rule wins. Without one the answer is what arrived, as JSON; at
                      paths that end in /echo-headers with all headers.
  POST /_fake/log     every request so far, with how it was answered
  POST /_fake/issued  the secrets of all keys that were given out, to look for where they must not be
"""

import base64
import datetime
import hmac
import json
import re
import secrets
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

try:
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    sys.exit(3)

REGION = "us-east-1"
SKEW = 300
IMDS_TOKEN_LIFE = "x-aws-ec2-metadata-token-ttl-seconds"


class Refused(Exception):
    """What AWS answers to a request that it does not take."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Keys:
    def __init__(self, key_id, secret, token=None, expires=None, source="static"):
        self.key_id, self.secret, self.token = key_id, secret, token
        self.expires, self.source = expires, source


class World:
    """What the test has set up, and what has happened."""

    def __init__(self):
        self.lock = threading.Lock()
        self.keys = {}
        self.bearers = set()
        self.roles = {}
        self.sso = {}
        self.container = None
        self.imds_tokens = {}
        self.life, self.delay = 3600, 0
        self.failing = {}
        self.answers = []
        self.log = []

    def issue(self, source):
        """New keys that end."""
        with self.lock:
            key_id = "ASIA" + secrets.token_hex(8).upper()
            expires = int(time.time()) + self.life
            keys = Keys(key_id, secrets.token_urlsafe(30), secrets.token_urlsafe(120), expires, source)
            self.keys[key_id] = keys
            delay = self.delay
        time.sleep(delay)
        return keys

    def note(self, **entry):
        with self.lock:
            self.log.append({"at": time.time(), **entry})


WORLD = World()


def moment(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Small answers in two packets would wait for an acknowledgement.
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        pass

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except (ConnectionError, BrokenPipeError):
            self.close_connection = True

    def do_GET(self):
        self.serve()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET

    def serve(self):
        self.body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.raw_path, _, self.raw_query = self.path.partition("?")
        if self.raw_path.startswith("/_fake/"):
            return self.control(self.raw_path.removeprefix("/_fake/"))
        what, answer = self.operation()
        self.signer = None
        try:
            self.broken(what.split(":")[0])
            answer()
        except Refused as refused:
            self.refuse(what, refused)

    def operation(self):
        form = self.form()
        path = self.raw_path
        if "Action" in form:
            return "sts:" + form["Action"], lambda: self.sts(form)
        if path == "/federation/credentials":
            return "sso:GetRoleCredentials", self.role_credentials
        if path == "/container/credentials":
            return "container:credentials", self.container
        if path == "/latest/api/token":
            return "imds:token", self.imds_token
        if path.startswith("/latest/meta-data/iam/security-credentials/"):
            role = path.rsplit("/", 1)[1]
            return "imds:credentials" if role else "imds:role", lambda: self.imds(role)
        return "bedrock", self.bedrock

    def form(self):
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return dict(urllib.parse.parse_qsl(self.body.decode()))
        return {}

    def broken(self, part):
        status = WORLD.failing.get(part)
        if status:
            raise Refused(status, "ServiceUnavailable", "the service is out of order")

    # Signatures

    def verify(self, service):
        """The keys that the request is signed with."""
        given = self.headers.get("authorization", "")
        form = r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})"
        parts = re.fullmatch(form, given)
        if not parts:
            code = "IncompleteSignatureException" if given else "MissingAuthenticationTokenException"
            raise Refused(403, code, "Missing Authentication Token")
        key_id, date, region, named, signed, signature = parts.groups()
        keys = WORLD.keys.get(key_id)
        if keys is None:
            raise Refused(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        self.signer = keys
        if (region, named) != (REGION, service):
            raise Refused(
                403, "InvalidSignatureException", f"Credential should be scoped to a valid region. Not {region}, {named}."
            )
        stamp = self.headers.get("x-amz-date", "")
        if not re.fullmatch(r"\d{8}T\d{6}Z", stamp) or not stamp.startswith(date):
            raise Refused(403, "InvalidSignatureException", "Date in Credential scope does not match X-Amz-Date.")
        then = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        if abs(then.timestamp() - time.time()) > SKEW:
            raise Refused(403, "InvalidSignatureException", f"Signature expired: {stamp} is not now.")
        signed = signed.split(";")
        self.check_signed(signed)
        if self.headers.get("x-amz-security-token") != keys.token:
            raise Refused(403, "UnrecognizedClientException", "The security token included in the request is invalid.")
        if keys.expires and keys.expires <= time.time():
            raise Refused(403, "ExpiredTokenException", "The security token included in the request is expired")
        if not hmac.compare_digest(self.signature(keys, region, service, stamp, signed), signature):
            raise Refused(
                403,
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided.",
            )
        return keys

    def check_signed(self, signed):
        lacking = [name for name in ("host", "x-amz-date") if name not in signed]
        for name in {name.lower() for name in self.headers}:
            if (name.startswith("x-amz-") or name == "content-type") and name not in signed:
                lacking.append(name)
        absent = [name for name in signed if name not in self.headers]
        if lacking or absent or signed != sorted(signed):
            message = f"'{', '.join(lacking or absent or signed)}' must be a 'SignedHeader' in the AWS Authorization."
            raise Refused(403, "InvalidSignatureException", message)

    def signature(self, keys, region, service, stamp, signed):
        request = AWSRequest(method=self.command, url=f"http://{self.headers['host']}{self.path}", data=self.body)
        for name in signed:
            for value in self.headers.get_all(name):
                request.headers.add_header(name, value)
        request.context["timestamp"] = stamp
        auth = SigV4Auth(Credentials(keys.key_id, keys.secret, keys.token), service, region)
        canonical = auth.canonical_request(request)
        return auth.signature(auth.string_to_sign(request, canonical), request)

    # Bedrock

    def bedrock(self):
        bearer = self.headers.get("authorization", "")
        if bearer.startswith("Bearer "):
            if bearer.removeprefix("Bearer ") not in WORLD.bearers:
                raise Refused(403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.")
            if any(name.lower().startswith("x-amz-") for name in self.headers):
                raise Refused(403, "AccessDeniedException", "A request has one way of signing in.")
        else:
            self.verify("bedrock")
        rule = self.rule()
        if rule is None:
            return self.send("bedrock", 200, {"content-type": "application/json"}, [json.dumps(self.arrived()).encode()])
        pieces = [base64.b64decode(piece) for piece in rule["pieces"]]
        self.send("bedrock", rule.get("status", 200), rule.get("headers", {}), pieces)

    def rule(self):
        with WORLD.lock:
            for rule in reversed(WORLD.answers):
                fits = rule.get("method", self.command) == self.command and re.fullmatch(rule["path"], self.raw_path)
                if fits and rule.get("times", 1) > 0:
                    if "times" in rule:
                        rule["times"] -= 1
                    return rule
        return None

    def arrived(self):
        echoed = dict(self.headers.items()) if self.raw_path.endswith("/echo-headers") else {}
        return {
            "headers": echoed,
            "method": self.command,
            "path": self.raw_path,
            "query": self.raw_query,
            "body": self.body.decode("utf-8", "replace"),
            "source": self.signer.source if self.signer else "bearer",
        }

    # STS

    def sts(self, form):
        action = form["Action"]
        role = WORLD.roles.get(form.get("RoleArn"))
        if action == "AssumeRole":
            keys = self.verify("sts")
            trusted = role and role.get("trusted", [keys.key_id])
            right = role and role.get("external_id") == form.get("ExternalId")
            if not right or keys.key_id not in trusted or "web_identity_token" in role:
                who = f"arn:aws:iam::123456789012:user/{keys.key_id}"
                raise Refused(
                    403, "AccessDenied", f"User: {who} is not authorized to perform: sts:AssumeRole on resource: {form.get('RoleArn')}"
                )
        elif action == "AssumeRoleWithWebIdentity":
            if not role or role.get("web_identity_token") != form.get("WebIdentityToken"):
                raise Refused(400, "InvalidIdentityToken", "The web identity token that was passed is not valid.")
        else:
            raise Refused(400, "InvalidAction", f"Could not find operation {action}")
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", form.get("RoleSessionName", "")):
            raise Refused(400, "ValidationError", "1 validation error detected: roleSessionName")
        issued = WORLD.issue(action)
        arn = f"{form['RoleArn']}/{form['RoleSessionName']}"
        text = (
            f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result>'
            f"<AssumedRoleUser><AssumedRoleId>AROA:{escape(form['RoleSessionName'])}</AssumedRoleId><Arn>{escape(arn)}</Arn></AssumedRoleUser>"
            f"<Credentials><AccessKeyId>{issued.key_id}</AccessKeyId><SecretAccessKey>{issued.secret}</SecretAccessKey>"
            f"<SessionToken>{issued.token}</SessionToken><Expiration>{moment(issued.expires)}</Expiration></Credentials>"
            f"</{action}Result><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></{action}Response>"
        )
        self.send("sts:" + action, 200, {"content-type": "text/xml"}, [text.encode()])

    # IAM Identity Center

    def role_credentials(self):
        query = dict(urllib.parse.parse_qsl(self.raw_query))
        known = WORLD.sso.get(self.headers.get("x-amz-sso_bearer_token"))
        if known is None:
            raise Refused(401, "UnauthorizedException", "Session token not found or invalid")
        if known != (query.get("account_id"), query.get("role_name")):
            raise Refused(403, "ForbiddenException", "No access")
        issued = WORLD.issue("sso")
        answer = {
            "accessKeyId": issued.key_id,
            "secretAccessKey": issued.secret,
            "sessionToken": issued.token,
            "expiration": issued.expires * 1000,
        }
        self.json("sso:GetRoleCredentials", {"roleCredentials": answer})

    # A container's endpoint

    def container(self):
        if WORLD.container is not None and self.headers.get("authorization") != WORLD.container:
            raise Refused(401, "AccessDenied", "the authorization token is not the task's")
        issued = WORLD.issue("container")
        self.json("container:credentials", {"RoleArn": "arn:aws:iam::123456789012:role/task", **document(issued)})

    # An instance's metadata service

    def imds_token(self):
        if self.command != "PUT" or "x-forwarded-for" in self.headers:
            raise Refused(403, "Forbidden", "a proxy may not ask for a token")
        life = self.headers.get(IMDS_TOKEN_LIFE, "")
        if not life.isdigit() or not 1 <= int(life) <= 21600:
            raise Refused(400, "BadRequest", "no time to live")
        token = secrets.token_urlsafe(40)
        WORLD.imds_tokens[token] = time.time() + int(life)
        self.send("imds:token", 200, {"content-type": "text/plain", IMDS_TOKEN_LIFE: life}, [token.encode()])

    def imds(self, role):
        if WORLD.imds_tokens.get(self.headers.get("x-aws-ec2-metadata-token"), 0) <= time.time():
            raise Refused(401, "Unauthorized", "version 1 is switched off")
        if not role:
            return self.send("imds:role", 200, {"content-type": "text/plain"}, [b"instance-role"])
        if role != "instance-role":
            raise Refused(404, "NotFound", "no such role")
        issued = WORLD.issue("imds")
        self.json("imds:credentials", {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": moment(time.time()), **document(issued)})

    # Answers

    def json(self, what, value):
        self.send(what, 200, {"content-type": "application/json"}, [json.dumps(value).encode()])

    def refuse(self, what, refused):
        if what.startswith("sts"):
            text = (
                '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>'
                f"<Code>{refused.code}</Code><Message>{escape(refused.message)}</Message></Error><RequestId>r-1</RequestId></ErrorResponse>"
            )
            return self.send(what, refused.status, {"content-type": "text/xml"}, [text.encode()], refused.code)
        headers = {"content-type": "application/json", "x-amzn-errortype": refused.code}
        self.send(what, refused.status, headers, [json.dumps({"message": refused.message}).encode()], refused.code)

    def send(self, what, status, headers, pieces, error=None):
        signer = self.signer
        WORLD.note(
            what=what,
            method=self.command,
            path=self.path,
            status=status,
            error=error,
            access_key_id=signer.key_id if signer else None,
        )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("x-amzn-requestid", secrets.token_hex(8))
        if len(pieces) == 1:
            self.send_header("content-length", str(len(pieces[0])))
            self.end_headers()
            self.wfile.write(pieces[0])
        else:
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in pieces:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    # The test's side

    def control(self, what):
        asked = json.loads(self.body or b"{}")
        answer = {}
        with WORLD.lock:
            if what == "keys":
                keys = Keys(asked["access_key_id"], asked["secret_access_key"], asked.get("session_token"))
                WORLD.keys[keys.key_id] = keys
            elif what == "bearer":
                WORLD.bearers.add(asked["token"])
            elif what == "role":
                WORLD.roles[asked["arn"]] = asked
            elif what == "sso":
                WORLD.sso[asked["token"]] = (asked["account_id"], asked["role_name"])
            elif what == "container":
                WORLD.container = asked.get("token")
            elif what == "issue":
                WORLD.life = asked.get("life", WORLD.life)
                WORLD.delay = asked.get("delay", WORLD.delay)
            elif what == "fail":
                WORLD.failing[asked["what"]] = asked["status"]
            elif what == "answer":
                WORLD.answers.append(asked)
            elif what == "log":
                answer = WORLD.log
            elif what == "issued":
                answer = [text for keys in WORLD.keys.values() for text in (keys.secret, keys.token) if text]
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def document(keys):
    return {
        "AccessKeyId": keys.key_id,
        "SecretAccessKey": keys.secret,
        "Token": keys.token,
        "Expiration": moment(keys.expires),
    }


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main():
    server = Server(("127.0.0.1", 0), Handler)
    print(json.dumps({"port": server.server_address[1]}), flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The test that started this has ended when nobody writes here any more.
    sys.stdin.read()


main()
