package outcome

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// identifier matches what differs between two orders that fail for the same reason: anything long that holds a digit
// (order, item, tracking and request ids, dates) and plain numbers. Short mixed words stay, for carriers are called 4PX.
var identifier = regexp.MustCompile(`[\pL\pN]+(?:[-_.:/][\pL\pN]+)*`)

// Fingerprint groups equal failures: two answers with the same rule and the same text, identifiers and numbers aside,
// have the same fingerprint. It is short, printable and stable across versions as long as the rule keeps its id.
func Fingerprint(rule, message string) string {
	sum := sha256.Sum256([]byte(normalise(message)))
	return rule + "-" + hex.EncodeToString(sum[:6])
}

func normalise(message string) string {
	masked := identifier.ReplaceAllStringFunc(strings.ToLower(message), func(word string) string {
		letters := strings.ContainsFunc(word, func(r rune) bool { return r < '0' || r > '9' })
		switch {
		case !strings.ContainsAny(word, "0123456789"):
			return word
		case letters && len(word) < 6:
			return word
		default:
			return "#"
		}
	})
	return strings.Join(strings.Fields(masked), " ")
}
