// Package gen is generated from docs/api/openapi.yaml: the routes, parameters and bodies of the operator API. It owns
// nothing but their shape and guarantees that the server cannot drift from the published specification. It is never
// edited by hand; change the specification and run `go generate ./...` in services/console.
package gen

//go:generate env GOWORK=off go tool -modfile=../../../tools/oapi-codegen/go.mod oapi-codegen -config config.yaml ../../../../../docs/api/openapi.yaml
