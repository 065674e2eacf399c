/**
 * The page that a browser gets at `/`: what this is, and how to talk to it, at the address by which the browser came.
 */

/** Names, addresses and ports: nothing that means anything to HTML or to a shell. */
const HOST = /^[A-Za-z0-9._:[\]-]+$/
const USUAL_HOST = 'localhost:8080'

/** `host` as the request names it. `forwardedProto` is what a proxy in front says it was asked by. */
export function landingPage(host: string | undefined, forwardedProto: string | undefined): string {
  const base = `${forwardedProto === 'https' ? 'https' : 'http'}://${host !== undefined && HOST.test(host) ? host : USUAL_HOST}`
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Jackdaw</title>
<link rel="icon" type="image/png" href="/docs/favicon-32x32.png">
<style>
body { max-width: 52rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color-scheme: light dark }
pre { padding: .75rem 1rem; overflow-x: auto; border: 1px solid #8886; border-radius: .4rem }
</style>
</head>
<body>
<h1>Jackdaw</h1>
<p>A replicated in-memory cache. Every member answers every key.</p>
<p><a href="/docs">Every route, to be tried here</a> &middot; <a href="/openapi.json">OpenAPI document</a></p>
<h2>Set</h2>
<pre>curl -d '{"abc-1":1,"abc-2":2,"xyz-1":"three"}' ${base}/set
curl -d '{"session":{"user":7}}' '${base}/set?ttl=5m'</pre>
<p>Any number of pairs, any JSON values. <code>ttl</code> is in seconds, or takes <code>ms</code>, <code>s</code>, <code>m</code>, <code>h</code>, <code>d</code>.</p>
<h2>Get</h2>
<pre>curl ${base}/get/abc-1
curl -H 'Accept: text/plain' ${base}/get/xyz-1</pre>
<h2>Search</h2>
<pre>curl '${base}/search?prefix=abc'
curl '${base}/search?suffix=-1'
curl -i '${base}/search?values=true&amp;limit=100'</pre>
<p>With <code>limit</code>, the <code>Link</code> header leads to the next page.</p>
<h2>Text</h2>
<pre>curl -X PUT -d 'any text' ${base}/v1/greeting
curl ${base}/v1/greeting
curl -X DELETE ${base}/v1/greeting</pre>
<h2>Everything</h2>
<pre>curl ${base}/</pre>
</body>
</html>
`
}
