package stream

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// However uneven members begin, the targets are even, add up, and ask of nobody to give up more than it must.
func TestSharesAreEvenAndMoveLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		held := rapid.SliceOfN(rapid.IntRange(0, 40), 1, 7).Draw(t, "held")
		unheld := rapid.IntRange(0, 60).Draw(t, "free")
		var loads []load
		n := unheld
		for i, h := range held {
			loads = append(loads, load{fmt.Sprint("m", i), h})
			n += h
		}
		var free []string
		for i := range unheld {
			free = append(free, fmt.Sprint("c", i))
		}
		target := targets(loads, n)
		sum, least, moved, after := 0, n/len(held), 0, map[string]int{}
		for _, l := range loads {
			got := target[l.member]
			sum += got
			if got != least && got != least+1 {
				t.Fatalf("%s is to hold %d of %d among %d", l.member, got, n, len(held))
			}
			moved += max(0, l.held-got)
			after[l.member] = l.held
		}
		must := 0 // with the odd ones left where they are
		odd := n % len(held)
		for _, l := range loads {
			over := max(0, l.held-least)
			if over > 0 && odd > 0 {
				over, odd = over-1, odd-1
			}
			must += over
		}
		if sum != n || moved != must {
			t.Fatalf("targets %v add up to %d of %d; %d are moved, %d must be", target, sum, n, moved, must)
		}
		whose := assign(loads, target, free)
		for _, name := range free {
			after[whose[name]]++
		}
		for _, l := range loads {
			if after[l.member] > max(target[l.member], l.held) {
				t.Fatalf("%s takes more than its share: %d, not %d", l.member, after[l.member], target[l.member])
			}
		}
	})
}
