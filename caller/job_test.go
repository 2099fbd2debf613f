package caller

import "testing"

func TestJobIsOver(t *testing.T) {
	calling := "01:27:42.162            pjsua_app.c  .......Call 0 state changed to CALLING"
	ended := "01:27:46.631            pjsua_app.c  ......Call 0 is DISCONNECTED [reason=486 (Busy Here)]"
	other := "01:27:46.631            pjsua_app.c  ......Call 1 is DISCONNECTED [reason=200 (OK)]"
	menu := []string{">>>>", "Account list:", "You have 0 active call"}
	busyMenu := []string{">>>>", "Account list:", "You have 1 active call"}
	ready := "01:27:42.161                 main.c  Ready: Success"
	tests := map[string]struct {
		job   bool
		lines []string
		over  bool
		code  int
	}{
		"the call has ended":          {true, append([]string{ready, calling, ended}, menu...), true, ExitBusy},
		"it goes on":                  {true, append([]string{ready, calling}, busyMenu...), false, ExitUnavailable},
		"another has ended":           {true, append(append([]string{ready, calling}, busyMenu...), other), false, ExitUnavailable},
		"it was never made":           {true, append([]string{ready}, menu...), true, ExitUnavailable},
		"it is still to come, by ICE": {true, append([]string{ready}, busyMenu...), false, ExitUnavailable},
		"no job":                      {false, append([]string{ready, calling, ended}, menu...), false, 0},
	}
	for name, tt := range tests {
		r := newRun(tt.job)
		over := 0
		for _, l := range tt.lines {
			r.observe(line(l))
			if r.jobOver() {
				over++
			}
		}
		if over > 1 || over == 1 != tt.over {
			t.Errorf("%s: over %d times, want %v", name, over, tt.over)
		}
		if code := r.exitCode(0); code != tt.code {
			t.Errorf("%s: exit code %d, want %d", name, code, tt.code)
		}
	}
}
