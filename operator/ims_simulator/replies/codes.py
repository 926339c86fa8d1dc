"""The IMG.* codes of the simulator's refusals, with their messages.

Source: "OTC Image Management Service API reference, Appendix, Error Codes"; the wording is ours, except
for messages that the page quotes in full. Their HTTP status is 400; that of IMG.0026 is the knob permission_status.
"""

SYSTEM_ERROR = "IMG.0061"
SYSTEM_ERROR_MESSAGE = "An unknown system error occurred."
"""The default error of failed jobs and of faults; no call is refused with it."""

MESSAGES: dict[str, str] = {
    "IMG.0001": "The request body is not valid JSON.",
    "IMG.0002": "The image name is longer than 128 characters.",
    "IMG.0003": "The format of the image name is invalid.",
    "IMG.0004": "The image description is longer than 1024 characters.",
    "IMG.0007": "The request body is empty.",
    "IMG.0009": "The image name already exists.",
    "IMG.0013": "The image name is missing.",
    "IMG.0015": "The quota of private images has been reached.",
    "IMG.0017": "The URL of the request is invalid.",
    "IMG.0023": "An exception occurred during the task query.",
    "IMG.0024": "The imagetype is invalid.",
    "IMG.0026": "The user's role or permission does not allow this operation.",
    "IMG.0027": "The image ID does not exist.",
    "IMG.0028": "The image is protected.",
    "IMG.0030": "The project ID and the token do not belong together.",
    "IMG.0035": "The attribute conflicts with the image.",
    "IMG.0046": "The image is unavailable.",
    "IMG.0047": "Only the image owner can do this.",
    "IMG.0054": "The image description contains characters that are not allowed.",
    "IMG.0059": "The image file is larger than allowed.",
    "IMG.0060": "The number of tasks exceeds the flow control limit.",
    "IMG.0062": "The image name is incorrect.",
    "IMG.0087": "The token is incorrect.",
    "IMG.0090": "An image that is being created cannot be deleted.",
    "IMG.0091": "A protected image cannot be deleted.",
    "IMG.0092": "Only the owner can delete the image.",
    "IMG.0094": "A public image cannot be deleted.",
    "IMG.0095": "The KMS key does not exist.",
    "IMG.0096": "The KMS key must differ from the key of the image.",
    "IMG.0097": "The KMS key is not enabled.",
    "IMG.0099": "There is no access to the KMS key.",
    "IMG.0101": "The KMS key of the source image does not exist.",
    "IMG.0102": "The KMS key of the source image is not enabled.",
    "IMG.0103": "There is no access to the KMS key of the source image.",
    "IMG.0105": "The operation is not supported.",
    "IMG.0115": "The tag is invalid.",
    "IMG.0116": "The image has too many tags.",
    "IMG.0118": "BMS image does not support KMS encryption.",
    "IMG.0121": "The object is not found.",
    "IMG.0130": "The full-ECS image cannot be exported or replicated.",
    "IMG.0144": "The image does not exist.",
    "IMG.0155": "The check of the enterprise project ID failed.",
    "IMG.0167": "The operation is not possible for ISO images.",
    "IMG.0187": "The traffic limit of KMS has been reached.",
    "IMG.0196": "The shared image has not been accepted.",
    "IMG.0197": "The shared image is encrypted with KMS.",
}

GATEWAY_MESSAGES: dict[str, str] = {
    "0101": "The API does not exist or has not been published in the environment",
    "0201": "Backend timeout.",
    "0301": "Incorrect IAM authentication information",
    "0303": "Incorrect app authentication information",
    "0307": "The token must be updated.",
    "0308": "The throttling threshold has been reached: policy user over ratelimit,limit:200,time:1 second",
    "0601": "Internal server error.",
    "0610": "Backend unavailable.",
    "0613": "The IAM service is unavailable.",
}
"""Messages of gateway errors by their number, which has no prefix ("API Gateway, Error Codes")."""

GATEWAY_CODE_OF_STATUS: dict[int, str] = {
    401: "0301",
    404: "0101",
    429: "0308",
    500: "0601",
    502: "0610",
    503: "0613",
    504: "0201",
}
