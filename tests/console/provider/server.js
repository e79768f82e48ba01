// A provider of OpenID Connect on a free port of this machine, for tests: node server.js CONFIGURATION
// CONFIGURATION is JSON: clients, accounts (subject: claims), ttl (seconds), inside (claims in the ID token).
// The first line that it prints is its issuer.
import { createServer } from "node:http";
import { Provider } from "oidc-provider";

const { clients, accounts, ttl, inside } = JSON.parse(process.argv[2]);
let answer = (request, response) => response.writeHead(503).end();
const server = createServer((request, response) => answer(request, response));

server.listen(0, "127.0.0.1", () => {
  const issuer = `http://localhost:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    claims: {
      openid: ["sub"],
      profile: ["preferred_username", "groups"],
      email: ["email", "email_verified"],
    },
    conformIdTokenClaims: !inside,
    cookies: { keys: ["only for tests"] },
    findAccount: (context, subject) =>
      subject in accounts
        ? { accountId: subject, claims: () => ({ sub: subject, ...accounts[subject] }) }
        : undefined,
    pkce: { required: () => true },
    ttl: { IdToken: ttl, AccessToken: ttl, AuthorizationCode: 60, Grant: 600, Interaction: 600, Session: 600 },
  });
  answer = provider.callback();
  console.log(issuer);
});
process.stdin.on("end", () => process.exit(0)).resume(); // ends with whoever started it
