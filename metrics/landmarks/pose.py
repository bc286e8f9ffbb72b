"""The head's angles from landmarks, by a rigid face of six points and a pinhole camera.

The face is the generic one of Mallick, "Head Pose Estimation using OpenCV and Dlib"
(https://learnopencv.com/head-pose-estimation-using-opencv-and-dlib/), in arbitrary units: tip of the nose, chin, outer
corners of the eyes, corners of the mouth. The camera's focal length is the width of the frame and its axis the middle.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

PARTS: Final = (30, 8, 36, 45, 48, 54)
# x to the right and y down in the image of a frontal face, z away from the camera.
FACE_MODEL: Final = np.array(
    [
        [0.0, 0.0, 0.0],
        [0.0, 330.0, 65.0],
        [-225.0, -170.0, 135.0],
        [225.0, -170.0, 135.0],
        [-150.0, 150.0, 125.0],
        [150.0, 150.0, 125.0],
    ]
)


def camera_matrix(width: int, height: int) -> Points:
    """Return the camera (3, 3) of a frame: focal length its width, axis through its middle."""
    return np.array([[width, 0.0, width / 2], [0.0, width, height / 2], [0.0, 0.0, 1.0]])


def head_angles(points: Points, width: int, height: int) -> Points:
    """Return yaw, pitch and roll of the head in each frame: (T, 3) degrees, all 0 for a frontal upright face.

    The rotation that brings the model to where it projects onto the points with the least squared error (SQPnP, then
    Levenberg-Marquardt) is ``Rz(roll) Ry(yaw) Rx(pitch)``; yaw lies in -90..90. NaN where there is no solution.

    Args:
        points: (T, 68, 2) pixels.
        width: of the frame.
        height: of the frame.
    """
    import cv2

    camera = camera_matrix(width, height)
    angles = np.full((len(points), 3), np.nan)
    for row, face in enumerate(points[:, PARTS]):
        image = np.ascontiguousarray(face, dtype=np.float64)
        try:
            found, rotation, shift = cv2.solvePnP(FACE_MODEL, image, camera, None, flags=cv2.SOLVEPNP_SQPNP)
            if not found:
                continue
            rotation, _ = cv2.solvePnPRefineLM(FACE_MODEL, image, camera, None, rotation, shift)
        except cv2.error:
            continue
        matrix = np.asarray(cv2.Rodrigues(rotation)[0], dtype=np.float64)
        yaw = np.arcsin(np.clip(-matrix[2, 0], -1, 1))
        pitch = np.arctan2(matrix[2, 1], matrix[2, 2])
        roll = np.arctan2(matrix[1, 0], matrix[0, 0])
        angles[row] = np.degrees([yaw, pitch, roll])
    return angles
