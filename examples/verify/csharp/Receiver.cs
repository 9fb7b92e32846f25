// Receives webhooks and verifies them. .NET 10 or newer, without further packages:
//   WEBHOOK_SECRET=whsec_… PORT=9000 dotnet run Receiver.cs
#:sdk Microsoft.NET.Sdk.Web
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

const int BodyBytesMax = 1024 * 1024 + 2; // the largest snapshot, between [ and ]
const long ToleranceSeconds = 5 * 60;

var secret = Environment.GetEnvironmentVariable("WEBHOOK_SECRET");
if (string.IsNullOrEmpty(secret))
    throw new InvalidOperationException("Set WEBHOOK_SECRET to the subscription's signing secret.");
var key = Convert.FromBase64String(secret.StartsWith("whsec_") ? secret["whsec_".Length..] : secret);

var builder = WebApplication.CreateBuilder(args);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Limits.MaxRequestBodySize = BodyBytesMax);
var app = builder.Build();

app.MapPost("/{**path}", async (HttpRequest request) =>
{
    // Reads the bytes as they were sent. Kestrel refuses a larger body.
    using var buffer = new MemoryStream();
    await request.Body.CopyToAsync(buffer);
    var body = buffer.ToArray();
    // The sender tries again after 400. If the secret or the clock here was wrong, nothing is lost.
    if (!IsVerified(request.Headers, body)) return Results.BadRequest();
    using var json = JsonDocument.Parse(body);
    var item = json.RootElement[0];
    // The id is the same in every repetition: remember it, and skip what you have seen.
    var (id, type) = (request.Headers["webhook-id"], request.Headers["webhook-event"]);
    Console.WriteLine($"{id} {type} {item.GetRawText()}");
    return Results.Ok();
});
app.Run($"http://*:{Environment.GetEnvironmentVariable("PORT") ?? "9000"}");

bool IsVerified(IHeaderDictionary headers, byte[] body)
{
    if (!long.TryParse(headers["webhook-timestamp"], out var timestamp)) return false;
    if (Math.Abs(DateTimeOffset.UtcNow.ToUnixTimeSeconds() - timestamp) > ToleranceSeconds) return false;
    var prefix = Encoding.UTF8.GetBytes($"{headers["webhook-id"]}.{headers["webhook-timestamp"]}.");
    byte[] signed = [.. prefix, .. body];
    var expected = Encoding.UTF8.GetBytes("v1," + Convert.ToBase64String(HMACSHA256.HashData(key, signed)));
    // There are several signatures while the secret is being rotated.
    var signatures = headers["webhook-signature"].ToString().Split(' ').Select(Encoding.UTF8.GetBytes);
    return signatures.Any(signature => CryptographicOperations.FixedTimeEquals(signature, expected));
}
