package token

import (
	"strings"
	"testing"
	"time"
)

func TestSealAndOpen(t *testing.T) {
	m := NewMint(1)
	want := Claims{Seller: "A2", ClientID: "c", Expires: time.Unix(1700000000, 0), Serial: 9}
	sealed := m.Seal(want)
	if got, ok := m.Open(sealed); !ok || got != want {
		t.Fatalf("got %+v %v", got, ok)
	}
	if _, ok := NewMint(2).Open(sealed); ok {
		t.Fatal("another seed opened it")
	}
	if _, ok := NewMint(1).Open(sealed); !ok {
		t.Fatal("the same seed did not open it")
	}
	for i := range sealed {
		broken := sealed[:i] + string(rune('A'+(sealed[i]%26))) + sealed[i+1:]
		if _, ok := m.Open(broken); ok && broken != sealed {
			// the last character holds bits that base64 ignores
			if i < len(sealed)-1 {
				t.Fatalf("opened with character %d changed", i)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	m := NewMint(1)
	sealed := m.Seal(Claims{Seller: "A2", ClientID: "c", Expires: time.Unix(1, 0), Serial: 1})
	f.Add(sealed)
	f.Add("Atza|")
	f.Add(strings.Repeat("A", 100))
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := m.Open(s); ok && c.Seller != "A2" {
			t.Fatalf("opened %q as %+v", s, c)
		}
	})
}
