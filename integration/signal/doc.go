// Package signal makes test signals and compares what was sent with what was
// heard: the measuring half of the demo and of the test suite. It is test
// tooling and never part of the shipped binary.
//
// A Clip is mono sound. A known signal is made, fed to one end, recorded at
// the other, and judged:
//
//	sent := signal.Tone(16000, 440, -12, 3*time.Second)
//	// … play sent, record heard …
//	if heard.ToneLevel(440) < -3 { … }       // the tone is what was heard
//	if heard.ToneLevel(880) > -40 { … }      // and the other one was not
//
//	m, err := signal.Match(speech, heard)    // for anything that is not periodic
//	fmt.Println(m.Delay, m.Correlation, m.Gain)
//
// Levels are in dBFS: 0 dBFS is the RMS of a square wave at full scale, so a
// sine at full scale has −3 dBFS.
package signal
