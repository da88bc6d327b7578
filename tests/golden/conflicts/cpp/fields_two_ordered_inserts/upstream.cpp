class Session {
    Socket socket_;
    Timer timer_;
    Buffer buffer_;
};
