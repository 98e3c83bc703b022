package page

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
)

//go:embed static/*
var static embed.FS

// Assets are the style sheet, the script and the icon under addresses that name their content, so that browsers may
// keep them for ever.
type Assets struct {
	byURL  map[string]asset
	byName map[string]string
}

type asset struct {
	kind string
	data []byte
}

var kinds = map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

// Prefix is the path all assets live under.
const Prefix = "/static/"

// NewAssets reads the embedded files.
func NewAssets() (*Assets, error) {
	a := &Assets{byURL: map[string]asset{}, byName: map[string]string{}}
	names, err := fs.Glob(static, "static/*")
	if err != nil {
		return nil, fmt.Errorf("list assets: %w", err)
	}
	for _, name := range names {
		data, err := static.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		sum := sha256.Sum256(data)
		base := path.Base(name)
		url := Prefix + hex.EncodeToString(sum[:5]) + "/" + base
		a.byURL[url] = asset{kind: kinds[path.Ext(base)], data: data}
		a.byName[base] = url
	}
	return a, nil
}

// URL is the address of the asset of a name, "" for an unknown one.
func (a *Assets) URL(name string) string { return a.byName[name] }

// ServeHTTP answers with an asset.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, ok := a.byURL[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(f.data) // the visitor has gone: nothing to do
}
