// Package integration proves images: that they work without a sound card, in
// real calls between containers, and through faults. The tests whose names
// begin with TestImage hold for every image that is built FROM nullcard/base;
// the others need pjsua in it, and some a far end or an app from the images
// that -tools-image and -pjsua2-image name:
//
//	go test ./integration -image my/phone:1 -run '^TestImage'
package integration
