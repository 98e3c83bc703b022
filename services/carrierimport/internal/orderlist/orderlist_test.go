package orderlist_test

import (
	"strings"
	"testing"

	"github.com/fertig-project/fertig/services/carrierimport/internal/orderlist"
)

func TestFind(t *testing.T) {
	for name, content := range map[string]string{
		"semicolons and header": "Auftrag;Amazon\r\nA-1;302-0000001-0000001\r\nÄ 2;302-0000002-0000002\r\n",
		"commas, no header":     "A-1,302-0000001-0000001\nÄ 2,302-0000002-0000002",
		"tabs, byte order mark": "\uFEFFA-1\t302-0000001-0000001\nÄ 2\t302-0000002-0000002\n",
		"bars, cp1252":          "A-1|302-0000001-0000001\n\xC4 2|302-0000002-0000002\n",
		"quoted, further cells": "\"A-1\";\"302-0000001-0000001\";x\n\"Ä 2\";302-0000002-0000002;;\n",
		"the same line twice":   "A-1;302-0000001-0000001\nA-1;302-0000001-0000001\nÄ 2;302-0000002-0000002\n",
	} {
		t.Run(name, func(t *testing.T) {
			l, err := orderlist.Parse([]byte(content))
			if err != nil || len(l.Warnings) > 0 {
				t.Fatalf("%v, warnings %v", err, l.Warnings)
			}
			for own, want := range map[string]string{"A-1": "302-0000001-0000001", "Ä 2": "302-0000002-0000002"} {
				if id, why := l.Find(own); id != want {
					t.Errorf("%s is %q (%s), want %s", own, id, why, want)
				}
			}
			if id, why := l.Find("A-9"); id != "" || !strings.Contains(why, "not in the order list yet") {
				t.Errorf("unknown number: %q, %q", id, why)
			}
		})
	}
}

func TestLinesThatCannotBeUsedAreNamed(t *testing.T) {
	l, err := orderlist.Parse([]byte("own;amazon\nA-1;302-0000001-0000001\nA-2\n;302-0000002-0000002\nA-3;302-3\n\"A-4;302-0000004-0000004\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"line 3: it has one column", "line 4: the own number is missing", "line 5: the second column is not", "line 6: a quote is opened"}
	if len(l.Warnings) != len(want) {
		t.Fatalf("warnings %v", l.Warnings)
	}
	for i, w := range want {
		if !strings.Contains(l.Warnings[i], w) {
			t.Errorf("warning %q, want %q", l.Warnings[i], w)
		}
	}
	if id, _ := l.Find("A-1"); id == "" {
		t.Error("the good line is lost")
	}
	var none orderlist.List
	if id, why := none.Find("A-1"); id != "" || why == "" {
		t.Errorf("the empty list knows %q", id)
	}
}

func TestNumbersOfTwoOrdersAreNotGuessed(t *testing.T) {
	l, err := orderlist.Parse([]byte("A;302-0000001-0000001\nA;302-0000001-0000002\nA;302-0000001-0000001\n"))
	if err != nil {
		t.Fatal(err)
	}
	if id, why := l.Find("A"); id != "" || !strings.Contains(why, "several Amazon orders") {
		t.Errorf("%q, %q", id, why)
	}
	if _, err := orderlist.Parse([]byte("a\x00b")); err == nil {
		t.Error("a binary list must be refused")
	}
}
