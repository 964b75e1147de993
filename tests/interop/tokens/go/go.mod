module driver

go 1.25.4

require (
	github.com/cloudflare/circl v1.6.5
)
