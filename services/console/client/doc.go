// Package client calls the operator API from Go. Its types and calls are generated from docs/api/openapi.yaml, so they
// cannot drift from the published specification. It adds the token, turns refusals into *Error with code, field and
// remedy, and reads the stream of a run's progress; it does not retry, because only the caller knows what may be
// repeated.
package client

//go:generate env GOWORK=off go tool -modfile=../tools/oapi-codegen/go.mod oapi-codegen -config config.yaml ../../../docs/api/openapi.yaml
