package carrier

import "testing"

func TestCodesAreExact(t *testing.T) {
	b := New([]string{"Evri"})
	for code, want := range map[string]bool{
		"DHL": true, "DHL-Paket": true, "Deutsche Post": true, "DPD": true, "GLS": true, "Hermes Logistik Gruppe": true,
		"GO!": true, "Kuehne+Nagel": true, "UPS": true, "FedEx": true, "Amazon Shipping": true, "Other": true, "Evri": true,
		"dhl": false, "DHL ": false, "": false, "Amazon Logistics": false, "# carriers": false,
	} {
		if b.Known(code) != want {
			t.Errorf("Known(%q) is %v", code, !want)
		}
	}
	if b.Len() < 150 {
		t.Errorf("only %d codes", b.Len())
	}
}

func TestForms(t *testing.T) {
	b := New(nil)
	for _, c := range []struct {
		code, tracking string
		want           bool
	}{
		{"DHL", "123456789012", true}, {"DHL", "00340434161094021501", true}, {"DHL", "JJD0123456789012345678", true},
		{"DHL", "CE123456789DE", true}, {"DHL", "1234", false}, {"DHL", "123456789012 ", false},
		{"Deutsche Post", "RR123456785DE", true}, {"DPD", "01234567890123", true}, {"DPD", "0123", false},
		{"GLS", "ZABC1234", true}, {"GLS", "ZABC", false}, {"Hermes", "H0123456789012345678", true}, {"Hermes", "H1", false},
		{"UPS", "1Z999AA10123456784", true}, {"UPS", "1Z999", false}, {"FedEx", "123456789012", true}, {"FedEx", "12", false},
		{"Amazon Shipping", "DE3000000001", true}, {"Amazon Shipping", "3000000001", false},
		{"Rhenus", "whatever", true},
	} {
		if b.Fits(c.code, c.tracking) != c.want {
			t.Errorf("Fits(%q, %q) is %v", c.code, c.tracking, !c.want)
		}
	}
}
