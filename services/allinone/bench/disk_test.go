package main

import "testing"

func TestFsyncP50(t *testing.T) {
	if took, err := fsyncP50(t.TempDir()); err != nil || took <= 0 {
		t.Errorf("%s, %v", took, err)
	}
	if _, err := fsyncP50("there/is/no/such/directory"); err == nil {
		t.Error("no error without the directory")
	}
}
