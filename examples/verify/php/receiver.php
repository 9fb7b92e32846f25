<?php
// Receives webhooks and verifies them. PHP 8.1 or newer:
//   WEBHOOK_SECRET=whsec_… php -S 127.0.0.1:9000 receiver.php

declare(strict_types=1);

/** The largest snapshot, between [ and ]. */
const BODY_BYTES_MAX = 1024 * 1024 + 2;
const TOLERANCE_SECONDS = 5 * 60;

function verify(string $key, string $body): void
{
    $id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
    $timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    if (!ctype_digit($timestamp) || abs(time() - (int) $timestamp) > TOLERANCE_SECONDS) {
        throw new UnexpectedValueException('the timestamp is missing, too old or in the future');
    }
    $expected = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, binary: true));
    // There are several signatures while the secret is being rotated.
    foreach (explode(' ', $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '') as $signature) {
        if (hash_equals($expected, $signature)) {
            return;
        }
    }
    throw new UnexpectedValueException('no signature matches');
}

$key = base64_decode(preg_replace('/^whsec_/', '', (string) getenv('WEBHOOK_SECRET')), strict: true);
if ($key === false || $key === '') {
    http_response_code(500);
    exit("set WEBHOOK_SECRET to the subscription's signing secret\n");
}
try {
    $body = file_get_contents('php://input', length: BODY_BYTES_MAX + 1);
    if (strlen($body) > BODY_BYTES_MAX) {
        throw new UnexpectedValueException('the body is too large');
    }
    verify($key, $body);
    [$item] = json_decode($body, flags: JSON_THROW_ON_ERROR);
    // The id is the same in every repetition: remember it, and skip what you have seen.
    error_log("{$_SERVER['HTTP_WEBHOOK_ID']} {$_SERVER['HTTP_WEBHOOK_EVENT']} " . json_encode($item));
} catch (UnexpectedValueException | JsonException $error) {
    // The sender tries again after 400. If the secret or the clock here was wrong, nothing is lost.
    http_response_code(400);
    echo $error->getMessage(), "\n";
}
