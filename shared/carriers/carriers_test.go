package carriers

import "testing"

func TestCarriers(t *testing.T) {
	if len(codes) < 180 || !Known("DHL") || Known("dhl") || Known("HERMEZ") || !Known("Hermes") {
		t.Errorf("%d codes", len(codes))
	}
	for _, row := range []struct {
		code, tracking string
		fits           bool
	}{
		{"DHL", "00340434161094042557", true}, {"DHL", "X1", false}, {"DPD", "01322000000000", true}, {"GLS", "27814590331", true}, {"UPS", "1Z999AA10123456784", true},
		{"UPS", "999AA10123456784", false}, {"nobody's", "X1", true},
	} {
		if Fits(row.code, row.tracking) != row.fits {
			t.Errorf("%s %s: fits %v", row.code, row.tracking, !row.fits)
		}
	}
}
