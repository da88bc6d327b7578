class TillTest {

    @BeforeEach
    void setUp() {
        open();
    }
}
