// Rolls dice: GET / is a page, GET /roll?sides=20 is JSON.

const { randomInt } = require("node:crypto");
const { createServer } = require("node:http");
const { hostname } = require("node:os");

const page = `<!doctype html>
<meta charset="utf-8"><title>Dice</title>
<style>body { font: 1.1rem/1.6 system-ui; text-align: center; margin-top: 4rem } output { display: block; font-size: 6rem }</style>
<h1>Hello from Node ${process.versions.node}</h1>
<output>?</output><button>Roll</button>
<script>
document.querySelector("button").onclick = async () => {
  const answer = await (await fetch("/roll")).json();
  document.querySelector("output").textContent = answer.rolled;
};
</script>
`;

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://dice");
  if (url.pathname === "/roll") {
    const sides = Math.min(Math.max(Number.parseInt(url.searchParams.get("sides") ?? "6", 10) || 6, 2), 1000);
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ rolled: randomInt(1, sides + 1), sides, replica: hostname() }));
  } else if (url.pathname === "/") {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(page);
  } else {
    response.writeHead(404).end("not found\n");
  }
});

const port = Number(process.env.PORT ?? 3000);
server.listen(port, () => console.log(`listening on port ${port}`));
// What DRaaS sends before it takes a replica away.
process.on("SIGTERM", () => server.close(() => process.exit(0)));
