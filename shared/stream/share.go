package stream

import (
	"cmp"
	"slices"
)

// load is how much one member of a fleet holds.
type load struct {
	member string
	held   int
}

// targets is how many of n names each member is to hold: as even as can be, and the odd ones stay with those who hold most
// already, so that as little as possible changes hands. All members that see the same reckon the same.
func targets(loads []load, n int) map[string]int {
	sorted := slices.Clone(loads)
	slices.SortFunc(sorted, func(a, b load) int { return cmp.Or(cmp.Compare(b.held, a.held), cmp.Compare(a.member, b.member)) })
	out := make(map[string]int, len(sorted))
	for i, l := range sorted {
		out[l.member] = n / len(sorted)
		if i < n%len(sorted) {
			out[l.member]++
		}
	}
	return out
}

// assign says who takes which free name, each the one who lacks most. Nobody is given more than its target while somebody
// lacks something.
func assign(loads []load, target map[string]int, free []string) map[string]string {
	lack := slices.Clone(loads)
	for i := range lack {
		lack[i].held = target[lack[i].member] - lack[i].held
	}
	slices.SortFunc(lack, func(a, b load) int { return cmp.Compare(a.member, b.member) })
	names := slices.Clone(free)
	slices.Sort(names)
	out := make(map[string]string, len(names))
	for _, name := range names {
		most := 0
		for i := range lack {
			if lack[i].held > lack[most].held {
				most = i
			}
		}
		lack[most].held--
		out[name] = lack[most].member
	}
	return out
}
