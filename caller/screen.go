package caller

import "errors"

// screen is what the console's menu tells.
type screen struct {
	active      int // calls
	current     int // the call that commands act on, or NoCall
	peer, state string
}

func readScreen(lines []string) (screen, bool) {
	s := screen{current: NoCall}
	ok := false
	for _, l := range lines {
		if m := endOfMenu.FindStringSubmatch(l); m != nil {
			s, ok = screen{active: number(m[1]), current: NoCall}, true
		} else if m := currentCall.FindStringSubmatch(l); m != nil {
			s.current, s.peer, s.state = number(m[1]), m[2], m[3]
		}
	}
	return s, ok
}

// scan makes one call after the other the current one until stop returns true
// or all were seen. From the last call, the console goes to none.
func scan(ask asker, stop func(screen) bool) error {
	seen := map[int]bool{}
	command := []string{""}
	for range 1000 { // pjsua has 255 calls at most
		a, err := ask(command...)
		if err != nil {
			return err
		}
		s, ok := readScreen(a.lines)
		if !ok {
			return errors.New("pjsua's console gave no answer that is understood")
		}
		if s.current != NoCall && !seen[s.current] {
			seen[s.current] = true
			if stop(s) {
				return nil
			}
		}
		if len(seen) >= s.active {
			return nil
		}
		command = []string{"]", ""}
	}
	return errors.New("pjsua's console does not come to an end of its calls")
}
