package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// quota runs the dispatcher's own benchmark: 10,000 shipments through the real run loop and the real governor, against an
// exact bucket of 2 per second and burst 10, in virtual time. What the machine does meanwhile does not count there; what
// the stores cost is measured by scaled.
func quota(ctx context.Context, _ bench) ([]figure, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^BenchmarkQuota$", "-benchtime", "1x",
		"github.com/fertig-project/fertig/services/dispatcher/internal/run")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run the benchmark: %w\n%s", err, out)
	}
	plain, refused, err1 := metrics(out, "plain")
	slow, slowRefused, err2 := metrics(out, "slow")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return []figure{
		{"quota_utilisation", plain, "", ">= 0.998", plain >= 0.998, "10,000 shipments, 2/s burst 10, answers after 150 ms, virtual time"},
		{"quota_429", refused + slowRefused, "", "0", refused+slowRefused == 0, "requests beyond the bucket, of both runs"},
		{"quota_utilisation_slow", slow, "", ">= 0.98", slow >= 0.98, "the same with answers after 5 s"},
	}, nil
}

var line = regexp.MustCompile(`(?m)^BenchmarkQuota/(\w+)\S*\s.*?([\d.]+) refused\s+([\d.]+) used`)

func metrics(out []byte, name string) (used, refused float64, err error) {
	for _, m := range line.FindAllSubmatch(out, -1) {
		if string(m[1]) == name {
			refused, err1 := strconv.ParseFloat(string(m[2]), 64)
			used, err2 := strconv.ParseFloat(string(m[3]), 64)
			return used, refused, errors.Join(err1, err2)
		}
	}
	return 0, 0, fmt.Errorf("the benchmark said nothing about %s:\n%s", name, out)
}
