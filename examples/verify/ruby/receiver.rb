# Receives webhooks and verifies them. Ruby 3 or newer, and WEBrick (gem install webrick):
#   WEBHOOK_SECRET=whsec_… PORT=9000 ruby receiver.rb
require "json"
require "openssl"
require "webrick"

KEY = ENV.fetch("WEBHOOK_SECRET", "").delete_prefix("whsec_").unpack1("m0")
BODY_BYTES_MAX = 1024 * 1024 + 2 # the largest snapshot, between [ and ]
TOLERANCE_SECONDS = 5 * 60
abort "set WEBHOOK_SECRET to the subscription's signing secret" if KEY.empty?

class Refused < StandardError; end

# Returns the bytes as they were sent.
def read_body(request)
  body = String.new
  request.body do |chunk|
    body << chunk
    raise Refused, "the body is too large" if body.bytesize > BODY_BYTES_MAX
  end
  body
end

def verify(request, body)
  id, timestamp, signatures = %w[id timestamp signature].map { |name| request["webhook-#{name}"].to_s }
  unless timestamp.match?(/\A\d+\z/) && (Time.now.to_i - timestamp.to_i).abs <= TOLERANCE_SECONDS
    raise Refused, "the timestamp is missing, too old or in the future"
  end
  mac = OpenSSL::HMAC.digest("SHA256", KEY, "#{id}.#{timestamp}.".b + body)
  expected = "v1,#{[mac].pack("m0")}"
  # There are several signatures while the secret is being rotated.
  return if signatures.split.any? { |signature| OpenSSL.secure_compare(signature, expected) }
  raise Refused, "no signature matches"
end

server = WEBrick::HTTPServer.new(Port: ENV.fetch("PORT", "9000").to_i)
server.mount_proc("/") do |request, response|
  body = read_body(request)
  verify(request, body)
  item, = JSON.parse(body)
  # The id is the same in every repetition: remember it, and skip what you have seen.
  puts "#{request["webhook-id"]} #{request["webhook-event"]} #{JSON.generate(item)}"
rescue Refused, JSON::ParserError => error
  # The sender tries again after 400. If the secret or the clock here was wrong, nothing is lost.
  response.status = 400
  response.body = "#{error.message}\n"
end
$stdout.sync = true
trap("INT") { server.shutdown }
server.start
