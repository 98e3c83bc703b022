// Package api is the operator API over HTTP: it turns requests into calls of package ops and what those return into the
// bodies of docs/api/openapi.yaml, whose server half is generated into gen. It guarantees that every refusal has the same
// body with code, field and remedy, that bodies are bounded, and that a field or parameter nobody knows is refused by
// name. It decides nothing about shipments.
package api
